import { create } from "@bufbuild/protobuf";
import { type NodeProto, NodeProtoSchema, type TensorProto } from "../../formats/onnx/onnx_pb.ts";
import { KvDistillError } from "../../util/errors.ts";
import { type Dim, type Shape, termsOf } from "../dims.ts";
import type { Node } from "../node.ts";
import { intAttribute } from "./attributes.ts";
import { constantTensor } from "./constants.ts";

/**
 * Shapes that ONNX wants as int64 tensors. Numbers become constants; a symbol is read once from the shape of an input that has it, and
 * polynomials are computed from symbols. Every tensor is made once per graph.
 */
export class ShapeTensors {
  readonly nodes: NodeProto[] = [];
  readonly initializers: TensorProto[] = [];
  private readonly made = new Set<string>();
  private readonly inputs: readonly Node<"Input">[];

  constructor(inputs: readonly Node<"Input">[]) {
    this.inputs = inputs;
  }

  /** A node of the default domain with one output. */
  node(opType: string, input: readonly string[], output: string): NodeProto {
    return create(NodeProtoSchema, { opType, input: [...input], output: [output], name: output });
  }

  /** Name of a 1-D int64 tensor that holds `shape`. */
  shape(shape: Shape): string {
    const known = shape.map((dim) => (typeof dim === "number" ? dim : undefined));
    if (known.every((dim) => dim !== undefined)) return this.constants(known);
    return this.once(`shape[${shape.join(",")}]`, (name) => {
      const parts = shape.map((dim) => this.dim(dim));
      const node = this.node("Concat", parts, name);
      node.attribute.push(intAttribute("axis", 0));
      this.nodes.push(node);
    });
  }

  /** Name of a constant 1-D int64 tensor. */
  constants(values: readonly number[]): string {
    return this.once(`ints[${values.join(",")}]`, (name) =>
      this.initializers.push(constantTensor(name, { dtype: "int64", dims: [values.length], values })),
    );
  }

  /** Name of an int64 tensor [1] that holds one dimension. */
  dim(dim: Dim): string {
    if (typeof dim === "number") return this.constants([dim]);
    const terms = termsOf(dim).map(({ coefficient, symbols }) => {
      const factors = symbols.map((symbol) => this.symbol(symbol));
      if (coefficient !== 1 || factors.length === 0) factors.push(this.constants([coefficient]));
      return this.fold("Mul", factors);
    });
    return this.fold("Add", terms);
  }

  private fold(op: "Add" | "Mul", operands: readonly string[]): string {
    return operands.reduce((a, b) =>
      this.once(`${op}(${a},${b})`, (name) => {
        this.nodes.push(this.node(op, [a, b], name));
      }),
    );
  }

  private symbol(symbol: string): string {
    for (const input of this.inputs) {
      const axis = input.shape.indexOf(symbol);
      if (axis < 0) continue;
      return this.once(`dim ${symbol}`, (name) => {
        const whole = this.once(`shape of ${input.attributes.name}`, (shapeName) => {
          this.nodes.push(this.node("Shape", [input.attributes.name], shapeName));
        });
        this.nodes.push(this.node("Gather", [whole, this.constants([axis])], name));
      });
    }
    throw new KvDistillError("invalid-graph", "no input gives a value to the symbol", { got: symbol });
  }

  /** Makes a tensor when its meaning is new. Its name starts with % as no leaf's or output's does. */
  private once(meaning: string, make: (name: string) => unknown): string {
    const name = `%${meaning}`;
    if (!this.made.has(name)) make(name);
    this.made.add(name);
    return name;
  }
}

import { create, toBinary } from "@bufbuild/protobuf";
import {
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProtoSchema,
  ValueInfoProtoSchema,
} from "../../formats/onnx/onnx_pb.ts";
import { bytesPerElement, elementCount } from "../../tensor/tensor.ts";
import { KvDistillError } from "../../util/errors.ts";
import { sameShape } from "../dims.ts";
import type { Graph } from "../graph-type.ts";
import { isOp, type Node } from "../node.ts";
import { nodeNumbers } from "../numbering.ts";
import type { Type } from "../operators.ts";
import { constantTensor, onnxType } from "./constants.ts";
import { lowerNode } from "./lower.ts";
import { ShapeTensors } from "./shape-tensors.ts";

/** The opset of which ONNX Runtime's WebGPU provider runs the most operators (of newer ones it lacks more), and its IR version. */
const OPSET = 21n;
const IR_VERSION = 10n;

/** Where a weight's values lie, little-endian and of the weight's type: `file` is a basename in the folder that the session is given. */
export interface ExternalData {
  readonly file: string;
  readonly offset: number;
  readonly dims: readonly number[];
}

/**
 * The graph as bytes of an ONNX model. Weights found in `weights` become initialisers with external data; the others become inputs.
 * @throws KvDistillError `shape-mismatch` when a stored weight has another shape than the graph wants.
 */
export function writeOnnx(graph: Graph, weights: ReadonlyMap<string, ExternalData> = new Map()): Uint8Array {
  const names = nameNodes(graph);
  const shapes = new ShapeTensors(graph.inputs);
  const nodes: NodeProto[] = [];
  const initializers: TensorProto[] = [];
  const inputs = graph.inputs.map((node) => valueInfo(node.attributes.name, node));
  for (const node of graph.weights) {
    const { name } = node.attributes;
    const data = weights.get(name);
    if (data === undefined) inputs.push(valueInfo(name, node));
    else initializers.push(externalTensor(name, node, data));
  }
  for (const node of graph.nodes) {
    if (isOp(node, "Input") || isOp(node, "Weight")) continue;
    if (isOp(node, "Constant")) initializers.push(constantTensor(nameOf(names, node), node.attributes));
    else nodes.push(lowerNode(node, (value) => nameOf(names, value), shapes));
  }
  // An output that is itself a leaf, or that has two names, needs a node of its own.
  for (const [name, node] of Object.entries(graph.outputs)) {
    const own = nameOf(names, node);
    if (own !== name) nodes.push(shapes.node("Identity", [own], name));
  }
  const model = create(ModelProtoSchema, {
    irVersion: IR_VERSION,
    producerName: "kv-distill",
    opsetImport: [
      { domain: "", version: OPSET },
      { domain: "com.microsoft", version: 1n },
    ],
    graph: create(GraphProtoSchema, {
      name: graph.name,
      input: inputs,
      output: Object.entries(graph.outputs).map(([name, node]) => valueInfo(name, node)),
      initializer: [...initializers, ...shapes.initializers],
      // Shape arithmetic depends on inputs alone, so it goes first.
      node: [...shapes.nodes, ...nodes],
    }),
  });
  return toBinary(ModelProtoSchema, model);
}

function nameNodes(graph: Graph): ReadonlyMap<Node, string> {
  const names = new Map(nodeNumbers(graph));
  for (const [name, node] of Object.entries(graph.outputs)) if (!isOp(node, "Constant")) names.set(node, name);
  for (const leaf of [...graph.inputs, ...graph.weights]) names.set(leaf, leaf.attributes.name);
  return names;
}

function nameOf(names: ReadonlyMap<Node, string>, node: Node): string {
  const name = names.get(node);
  if (name === undefined)
    throw new KvDistillError("invalid-graph", "value is not in the graph", { where: `%${node.id} ${node.op}` });
  return name;
}

function valueInfo(name: string, { dtype, shape }: Type): ReturnType<typeof create<typeof ValueInfoProtoSchema>> {
  const dim = shape.map((size) =>
    typeof size === "number"
      ? ({ value: { case: "dimValue", value: BigInt(size) } } as const)
      : ({ value: { case: "dimParam", value: size } } as const),
  );
  return create(ValueInfoProtoSchema, {
    name,
    type: { value: { case: "tensorType", value: { elemType: onnxType(dtype), shape: { dim } } } },
  });
}

function externalTensor(name: string, type: Type, data: ExternalData): TensorProto {
  if (!sameShape(data.dims, type.shape)) {
    throw new KvDistillError("shape-mismatch", "stored weight has another shape than the graph", {
      where: name,
      expected: `[${type.shape.join(", ")}]`,
      got: `[${data.dims.join(", ")}]`,
    });
  }
  const bytes = elementCount(data.dims) * bytesPerElement(type.dtype);
  return create(TensorProtoSchema, {
    name,
    dataType: onnxType(type.dtype),
    dims: data.dims.map(BigInt),
    dataLocation: TensorProto_DataLocation.EXTERNAL,
    externalData: [
      { key: "location", value: data.file },
      { key: "offset", value: data.offset.toString() },
      { key: "length", value: bytes.toString() },
    ],
  });
}

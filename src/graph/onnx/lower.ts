import { create } from "@bufbuild/protobuf";
import { type AttributeProto, type NodeProto, NodeProtoSchema } from "../../formats/onnx/onnx_pb.ts";
import type { Node } from "../node.ts";
import type { OpAttributes, OpName } from "../operators.ts";
import { floatAttribute, intAttribute, intsAttribute, stringAttribute, tensorAttribute } from "./attributes.ts";
import { constantTensor, onnxType } from "./constants.ts";
import type { ShapeTensors } from "./shape-tensors.ts";

/** What ONNX wants beside the data inputs: attributes, and the tensors into which it puts shapes and axes. */
interface Lowered {
  readonly attributes?: readonly AttributeProto[];
  readonly extraInputs?: readonly string[];
  /** Results behind the first that ONNX Runtime wants to have, though nobody reads them: what their names end in. */
  readonly unreadOutputs?: readonly string[];
  readonly domain?: "com.microsoft";
}
type LoweringRule<K extends OpName> = (node: Node<K>, shapes: ShapeTensors) => Lowered;
type LoweredOp = Exclude<OpName, "Input" | "Weight" | "Constant">;

const plain = (): Lowered => ({});
const reduce = (node: { readonly attributes: OpAttributes["ReduceSum"] }, shapes: ShapeTensors): Lowered => ({
  attributes: [intAttribute("keepdims", node.attributes.keepDims ? 1 : 0)],
  extraInputs: [shapes.constants(node.attributes.axes)],
});
const lastAxis = (): Lowered => ({ attributes: [intAttribute("axis", -1)] });
const normalise = (node: { readonly attributes: { readonly epsilon: number } }): Lowered => ({
  attributes: [intAttribute("axis", -1), floatAttribute("epsilon", node.attributes.epsilon)],
});

const rules: { readonly [Op in LoweredOp]: LoweringRule<Op> } = {
  ConstantOfShape: ({ attributes }, shapes) => ({
    attributes: [
      tensorAttribute("value", constantTensor("", { dtype: attributes.dtype, dims: [1], values: [attributes.value] })),
    ],
    extraInputs: [shapes.shape(attributes.shape)],
  }),
  Neg: plain,
  Exp: plain,
  Log: plain,
  Sqrt: plain,
  Reciprocal: plain,
  Sigmoid: plain,
  Tanh: plain,
  Erf: plain,
  Add: plain,
  Sub: plain,
  Mul: plain,
  Div: plain,
  Equal: plain,
  LessOrEqual: plain,
  Where: plain,
  Cast: ({ attributes }) => ({ attributes: [intAttribute("to", onnxType(attributes.to))] }),
  MatMul: plain,
  Gemm: ({ attributes }) => ({
    attributes: [
      intAttribute("transA", attributes.transA ? 1 : 0),
      intAttribute("transB", attributes.transB ? 1 : 0),
      floatAttribute("alpha", attributes.alpha),
    ],
  }),
  MatMulNBits: ({ inputs: [, packed], attributes: { bits, blockSize, accuracyLevel } }) => {
    const [outputs, blocks] = packed?.shape ?? [];
    return {
      domain: "com.microsoft",
      attributes: [
        intAttribute("K", Number(blocks) * blockSize),
        intAttribute("N", Number(outputs)),
        intAttribute("bits", bits),
        intAttribute("block_size", blockSize),
        intAttribute("accuracy_level", accuracyLevel),
      ],
    };
  },
  QuantizeLinear: ({ attributes }) => ({ attributes: [intAttribute("axis", attributes.axis)] }),
  MatMulIntegerToFloat: () => ({ domain: "com.microsoft" }),
  GroupQueryAttention: ({ attributes: { numHeads, kvHeads } }) => ({
    domain: "com.microsoft",
    attributes: [intAttribute("num_heads", numHeads), intAttribute("kv_num_heads", kvHeads)],
    unreadOutputs: [".present_key", ".present_value"],
  }),
  ReduceSum: reduce,
  ReduceMean: reduce,
  ReduceMax: reduce,
  ArgMax: () => ({ attributes: [intAttribute("axis", -1), intAttribute("keepdims", 0)] }),
  Softmax: lastAxis,
  LogSoftmax: lastAxis,
  LayerNormalization: normalise,
  SimplifiedLayerNormalization: normalise,
  RotaryEmbedding: () => ({ domain: "com.microsoft" }),
  // Without allowzero a dimension of 0 would mean "as in the input".
  Reshape: ({ attributes }, shapes) => ({
    attributes: [intAttribute("allowzero", 1)],
    extraInputs: [shapes.shape(attributes.shape)],
  }),
  Transpose: ({ attributes }) => ({ attributes: [intsAttribute("perm", attributes.perm)] }),
  Concat: ({ attributes }) => ({ attributes: [intAttribute("axis", attributes.axis)] }),
  Slice: ({ attributes: { axis, start, end } }, shapes) => ({
    extraInputs: [shapes.dim(start), shapes.dim(end), shapes.constants([axis])],
  }),
  Expand: ({ attributes }, shapes) => ({ extraInputs: [shapes.shape(attributes.shape)] }),
  Gather: ({ attributes }) => ({ attributes: [intAttribute("axis", attributes.axis)] }),
  ScatterND: ({ attributes }) => ({ attributes: [stringAttribute("reduction", attributes.reduction)] }),
};

/** The ONNX node of an IR node. */
export function lowerNode(node: Node, nameOf: (value: Node) => string, shapes: ShapeTensors): NodeProto {
  const rule = rules[node.op as LoweredOp] as LoweringRule<OpName>;
  const { attributes = [], extraInputs = [], unreadOutputs = [], domain = "" } = rule(node, shapes);
  const output = nameOf(node);
  return create(NodeProtoSchema, {
    opType: node.op,
    domain,
    name: output,
    input: [...node.inputs.map(nameOf), ...extraInputs],
    output: [output, ...unreadOutputs.map((end) => output + end)],
    attribute: [...attributes],
  });
}

/** Kinds of work that an operator may be. */
export const OPERATOR_CLASSES = [
  "matrix products",
  "attention",
  "softmax",
  "normalisation",
  "elementwise",
  "reductions",
  "copies",
  "casts",
  "other",
] as const;

export type OperatorClass = (typeof OPERATOR_CLASSES)[number];

const OPERATORS: Readonly<Record<Exclude<OperatorClass, "other">, readonly string[]>> = {
  "matrix products": [
    "MatMul",
    "Gemm",
    "FusedMatMul",
    "FusedGemm",
    "MatMulInteger",
    "MatMulIntegerToFloat",
    "MatMulNBits",
    "DynamicQuantizeMatMul",
  ],
  attention: ["Attention", "MultiHeadAttention", "GroupQueryAttention"],
  softmax: ["Softmax", "LogSoftmax", "BiasSoftmax"],
  normalisation: [
    "LayerNormalization",
    "SimplifiedLayerNormalization",
    "SkipLayerNormalization",
    "SkipSimplifiedLayerNormalization",
    "RMSNormalization",
  ],
  elementwise: [
    ..."Add Sub Mul Div Neg Exp Log Sqrt Pow Reciprocal Sigmoid Tanh Erf Gelu FastGelu QuickGelu BiasGelu Relu".split(
      " ",
    ),
    ..."Equal Less LessOrEqual Greater GreaterOrEqual Where And Or Not Min Max Clip RotaryEmbedding Sum".split(" "),
  ],
  reductions: "ReduceSum ReduceMax ReduceMean ReduceMin ReduceSumSquare ArgMax TopK".split(" "),
  copies: (
    "Concat Split Slice Gather GatherElements GatherND ScatterElements ScatterND Transpose Reshape Squeeze " +
    "Unsqueeze Expand Tile Pad Identity Flatten Range Shape ConstantOfShape MemcpyFromHost MemcpyToHost"
  ).split(" "),
  casts: ["Cast", "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"],
};

const CLASS_OF = new Map(
  Object.entries(OPERATORS).flatMap(([name, operators]) =>
    operators.map((operator) => [operator, name as OperatorClass] as const),
  ),
);

/** The class of an ONNX operator. */
export function classOf(operator: string): OperatorClass {
  return CLASS_OF.get(operator) ?? "other";
}

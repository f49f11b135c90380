import type { DType } from "../tensor/tensor.ts";
import { type Dim, type Shape, sameShape } from "./dims.ts";
import { apply, type Node } from "./node.ts";
import type { OpAttributes } from "./operators.ts";

/** One function per operator: the words in which models are written. All throw `shape-mismatch` when inputs do not fit. */

export const input = (name: string, dtype: DType, shape: Shape): Node<"Input"> =>
  apply("Input", [], { name, type: { dtype, shape } });
export const weight = (name: string, shape: readonly number[], dtype: DType = "float32"): Node<"Weight"> =>
  apply("Weight", [], { name, type: { dtype, shape } });
export const constant = (value: number): Node => apply("Constant", [], { dtype: "float32", dims: [], values: [value] });
export const integers = (values: readonly number[]): Node =>
  apply("Constant", [], { dtype: "int64", dims: [values.length], values });
export const fill = (value: number, shape: Shape): Node =>
  apply("ConstantOfShape", [], { dtype: "float32", shape, value });

export const neg = (x: Node): Node => apply("Neg", [x], {});
export const exp = (x: Node): Node => apply("Exp", [x], {});
export const log = (x: Node): Node => apply("Log", [x], {});
export const sqrt = (x: Node): Node => apply("Sqrt", [x], {});
export const reciprocal = (x: Node): Node => apply("Reciprocal", [x], {});
export const sigmoid = (x: Node): Node => apply("Sigmoid", [x], {});
export const tanh = (x: Node): Node => apply("Tanh", [x], {});
export const erf = (x: Node): Node => apply("Erf", [x], {});
export const cast = (x: Node, to: DType): Node => apply("Cast", [x], { to });

/** An operand: a node, or a number that broadcasts. */
export type Operand = Node | number;
const node = (x: Operand): Node => (typeof x === "number" ? constant(x) : x);

export const add = (a: Operand, b: Operand): Node => apply("Add", [node(a), node(b)], {});
export const sub = (a: Operand, b: Operand): Node => apply("Sub", [node(a), node(b)], {});
export const mul = (a: Operand, b: Operand): Node => apply("Mul", [node(a), node(b)], {});
export const div = (a: Operand, b: Operand): Node => apply("Div", [node(a), node(b)], {});
export const equal = (a: Node, b: Node): Node => apply("Equal", [a, b], {});
export const lessOrEqual = (a: Node, b: Node): Node => apply("LessOrEqual", [a, b], {});
export const where = (condition: Node, x: Operand, y: Operand): Node =>
  apply("Where", [condition, node(x), node(y)], {});

export const matMul = (a: Node, b: Node): Node => apply("MatMul", [a, b], {});

export interface GemmOptions {
  readonly transA?: boolean;
  readonly transB?: boolean;
  readonly alpha?: number;
  /** Added to the product; broadcasts. */
  readonly addend?: Node;
}
/** alpha · op(a) · op(b) + addend, rank 2. */
export function gemm(a: Node, b: Node, { transA = false, transB = false, alpha = 1, addend }: GemmOptions = {}): Node {
  return apply("Gemm", addend === undefined ? [a, b] : [a, b, addend], { transA, transB, alpha });
}

/** x [M, K] times the transpose of a matrix [N, K] that is stored in blocks. */
export const matMulNBits = (x: Node, packed: Node, scales: Node, attributes: OpAttributes["MatMulNBits"]): Node =>
  apply("MatMulNBits", [x, packed, scales], attributes);

/** x as uint8, with a scale and zero point for each entry of `axis`. */
export const quantizeLinear = (x: Node, scale: Node, zeroPoint: Node, axis: number): Node =>
  apply("QuantizeLinear", [x, scale, zeroPoint], { axis });

/** A matrix of 8 bits and what its numbers stand for. */
export interface IntegerMatrix {
  readonly numbers: Node;
  readonly scale: Node;
  readonly zeroPoint: Node;
}
/** a [M, K] times b [K, N] as float32; a has one scale, b one for each column. */
export const matMulIntegerToFloat = (a: IntegerMatrix, b: IntegerMatrix): Node =>
  apply("MatMulIntegerToFloat", [a.numbers, b.numbers, a.scale, b.scale, a.zeroPoint, b.zeroPoint], {});

export const groupQueryAttention = (
  {
    queries,
    keys,
    values,
    pastKeys,
    pastValues,
    last,
    total,
  }: Readonly<Record<"queries" | "keys" | "values" | "pastKeys" | "pastValues" | "last" | "total", Node>>,
  attributes: OpAttributes["GroupQueryAttention"],
): Node => apply("GroupQueryAttention", [queries, keys, values, pastKeys, pastValues, last, total], attributes);

export const reduceSum = (x: Node, axes: readonly number[], keepDims = false): Node =>
  apply("ReduceSum", [x], { axes, keepDims });
export const reduceMean = (x: Node, axes: readonly number[], keepDims = false): Node =>
  apply("ReduceMean", [x], { axes, keepDims });
export const reduceMax = (x: Node, axes: readonly number[], keepDims = false): Node =>
  apply("ReduceMax", [x], { axes, keepDims });
export const argMax = (x: Node): Node => apply("ArgMax", [x], {});
export const softmax = (x: Node): Node => apply("Softmax", [x], {});
export const logSoftmax = (x: Node): Node => apply("LogSoftmax", [x], {});
export const layerNorm = (x: Node, epsilon: number, scale: Node, bias?: Node): Node =>
  apply("LayerNormalization", bias === undefined ? [x, scale] : [x, scale, bias], { epsilon });
export const rmsNorm = (x: Node, epsilon: number, scale: Node): Node =>
  apply("SimplifiedLayerNormalization", [x, scale], { epsilon });
export const rotaryEmbedding = (x: Node, positionIds: Node, cos: Node, sin: Node): Node =>
  apply("RotaryEmbedding", [x, positionIds, cos, sin], {});

/** The same elements in another shape; the node itself where the shape is already that. */
export const reshape = (x: Node, shape: Shape): Node =>
  sameShape(x.shape, shape) ? x : apply("Reshape", [x], { shape });
export const transpose = (x: Node, perm: readonly number[]): Node => apply("Transpose", [x], { perm });
export const concat = (parts: readonly Node[], axis: number): Node => apply("Concat", parts, { axis });
export const slice = (x: Node, axis: number, start: Dim, end: Dim): Node => apply("Slice", [x], { axis, start, end });
export const expand = (x: Node, shape: Shape): Node =>
  sameShape(x.shape, shape) ? x : apply("Expand", [x], { shape });
/** Entries of `data` along an axis: rows, when left out. */
export const gather = (data: Node, indices: Node, axis = 0): Node => apply("Gather", [data, indices], { axis });
/** `data` with `updates` added to the rows that `indices` [N, 1] name. */
export const scatterAdd = (data: Node, indices: Node, updates: Node): Node =>
  apply("ScatterND", [data, indices, updates], { reduction: "add" });

/** Swaps the last two axes. */
export function transposeLast(x: Node): Node {
  const rank = x.shape.length;
  const perm = x.shape.map((_, i) => (i === rank - 2 ? rank - 1 : i === rank - 1 ? rank - 2 : i));
  return transpose(x, perm);
}

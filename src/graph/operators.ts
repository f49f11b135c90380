import type { DType } from "../tensor/tensor.ts";
import type { Dim, Shape } from "./dims.ts";

/** Element type and symbolic shape of a value. */
export interface Type {
  readonly dtype: DType;
  readonly shape: Shape;
}

type None = Readonly<Record<string, never>>;

/**
 * The closed set of operators and their attributes. Names and meanings are ONNX's (opset 21); SimplifiedLayerNormalization and
 * RotaryEmbedding are ONNX Runtime's own (the former in ONNX's domain, where ONNX's own checker does not know it). Where ONNX passes a
 * shape or axes as a tensor, the IR has an attribute. Indices count from 0; negative ones are not used.
 */
export interface OpAttributes {
  // Leaves
  Input: { readonly name: string; readonly type: Type };
  /** A tensor of the checkpoint: bound to a file when the graph is compiled, or fed like an input. */
  Weight: { readonly name: string; readonly type: Type };
  Constant: { readonly dtype: DType; readonly dims: readonly number[]; readonly values: readonly number[] };
  /** Every element is `value`. */
  ConstantOfShape: { readonly dtype: DType; readonly shape: Shape; readonly value: number };
  // Elementwise
  Neg: None;
  Exp: None;
  Log: None;
  Sqrt: None;
  Reciprocal: None;
  Sigmoid: None;
  Tanh: None;
  Erf: None;
  Add: None;
  Sub: None;
  Mul: None;
  Div: None;
  Equal: None;
  LessOrEqual: None;
  /** condition, x, y: x where the condition holds, else y. */
  Where: None;
  Cast: { readonly to: DType };
  // Linear algebra
  /** Batched matrix product; leading dimensions broadcast. */
  MatMul: None;
  /** alpha · op(A) · op(B) [+ C], all of rank 2 but C, which broadcasts to the result. */
  Gemm: { readonly transA: boolean; readonly transB: boolean; readonly alpha: number };
  /**
   * x [M, K], packed uint8 [N, K / blockSize, blockSize · bits / 8], scales [N · K / blockSize]: x times the transpose of a matrix [N, K] of
   * (packed − 2^(bits − 1)) · scale, a scale for every block of a row, low bits first. ONNX Runtime's own, for inference alone: no derivative.
   * At `accuracyLevel` 1 x stays as it is, at 4 it is rounded to 8 bits, block by block.
   */
  MatMulNBits: { readonly bits: 4 | 8; readonly blockSize: number; readonly accuracyLevel: 1 | 4 };
  /**
   * x, scale, uint8 zero point: x / scale rounded to the nearest whole number, half to even, plus the zero point, within 0 to 255. Scale and
   * zero point have one number for each entry of `axis`.
   */
  QuantizeLinear: { readonly axis: number };
  /**
   * a uint8 [M, K], b int8 or uint8 [K, N], a's scale [], b's scales [N], zero points of a and b []: (a − zero) · scale times
   * (b − zero) · scale. ONNX Runtime's own, for inference alone: no derivative.
   */
  MatMulIntegerToFloat: None;
  /**
   * queries [B, T, numHeads · D], keys and values [B, T, kvHeads · D], past keys and values [B, kvHeads, P, D], int32 last [B], int32 total [1]:
   * causal attention of T new tokens in each sequence, scores divided by the root of D, [B, T, numHeads · D]. Sequence b has last + 1 keys, the
   * first rows of its past and then the new ones; `total` is the number of the longest. A head of the keys serves numHeads / kvHeads of the
   * queries, in order. ONNX Runtime's own, for inference alone: no derivative. It never writes all scores down, but copies the past, and takes
   * several tokens on top of a past of one sequence only. D is a multiple of 8.
   */
  GroupQueryAttention: { readonly numHeads: number; readonly kvHeads: number };
  // Reductions and normalisations
  ReduceSum: { readonly axes: readonly number[]; readonly keepDims: boolean };
  ReduceMean: { readonly axes: readonly number[]; readonly keepDims: boolean };
  ReduceMax: { readonly axes: readonly number[]; readonly keepDims: boolean };
  /**
   * int64 index of the largest entry of the last axis, which the result has no more; of equal ones the first. ONNX Runtime gives data without
   * elements the wrong shape.
   */
  ArgMax: None;
  /** Over the last axis. */
  Softmax: None;
  /** Over the last axis. */
  LogSoftmax: None;
  /** x, scale[, bias]: over the last axis. */
  LayerNormalization: { readonly epsilon: number };
  /** x, scale: root-mean-square normalisation over the last axis. */
  SimplifiedLayerNormalization: { readonly epsilon: number };
  /**
   * x [B, heads, T, D], positionIds int64 [B, T] (rows of the tables), cos and sin [rows, D/2]: halves rotated, not interleaved.
   * ONNX Runtime wants rows >= T. The tables are data: no derivative by them.
   */
  RotaryEmbedding: None;
  // Movement
  Reshape: { readonly shape: Shape };
  Transpose: { readonly perm: readonly number[] };
  Concat: { readonly axis: number };
  Slice: { readonly axis: number; readonly start: Dim; readonly end: Dim };
  Expand: { readonly shape: Shape };
  /** data, int64 indices of any rank: entries of `data` along `axis`. */
  Gather: { readonly axis: number };
  /** data, int64 indices [N, 1], updates [N, ...]: data with the updates added to the named rows. */
  ScatterND: { readonly reduction: "add" };
}

export type OpName = keyof OpAttributes;

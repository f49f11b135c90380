import type { OpAttributes } from "../../../src/graph/operators.ts";
import type { DType } from "../../../src/tensor/tensor.ts";
import type { ComputedOp } from "../cases.ts";

export interface Literal {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly values: readonly number[];
}
export interface Example<Op extends ComputedOp = ComputedOp> {
  readonly attributes: OpAttributes[Op];
  readonly inputs: readonly Literal[];
  readonly result: Literal;
}

const f = (dims: readonly number[], ...values: readonly number[]): Literal => ({ dtype: "float32", dims, values });
const i = (dims: readonly number[], ...values: readonly number[]): Literal => ({ dtype: "int64", dims, values });
const u = (dims: readonly number[], ...values: readonly number[]): Literal => ({ dtype: "uint8", dims, values });
const n = (dims: readonly number[], ...values: readonly number[]): Literal => ({ dtype: "int32", dims, values });
const b = (dims: readonly number[], ...values: readonly number[]): Literal => ({ dtype: "bool", dims, values });
const plain = (inputs: readonly Literal[], result: Literal) => ({ attributes: {}, inputs, result });

const LOG_3 = Math.log(3);

/** Results worked out by hand, total over the computed operators. */
export const examples: { readonly [Op in ComputedOp]: readonly [Example<Op>, ...Example<Op>[]] } = {
  Constant: [{ attributes: { dtype: "float32", dims: [2], values: [1, -2] }, inputs: [], result: f([2], 1, -2) }],
  ConstantOfShape: [
    { attributes: { dtype: "float32", shape: [2, 2], value: 7 }, inputs: [], result: f([2, 2], 7, 7, 7, 7) },
    { attributes: { dtype: "int64", shape: [0, 2], value: 1 }, inputs: [], result: i([0, 2]) },
  ],
  Neg: [plain([f([3], 1, -2, 0.5)], f([3], -1, 2, -0.5))],
  Exp: [plain([f([3], 0, 1, Math.log(4))], f([3], 1, Math.E, 4))],
  Log: [plain([f([3], 1, Math.E, Math.exp(-2))], f([3], 0, 1, -2))],
  Sqrt: [plain([f([3], 4, 0, 2.25)], f([3], 2, 0, 1.5))],
  Reciprocal: [plain([f([2], 4, -0.5)], f([2], 0.25, -2))],
  Sigmoid: [plain([f([4], 0, LOG_3, -LOG_3, -1000)], f([4], 0.5, 0.75, 0.25, 0))],
  Tanh: [plain([f([3], 0, Math.log(2), -Math.log(2))], f([3], 0, 0.6, -0.6))],
  // Abramowitz & Stegun, table 7.1 and 7.2; erfc(3) = 2.20904969985854e-5.
  Erf: [
    plain(
      [f([5], 0, 0.5, -1, 2, 3)],
      f([5], 0, 0.5204998778130465, -0.8427007929497149, 0.9953222650189527, 1 - 2.20904969985854e-5),
    ),
  ],
  Add: [
    plain([f([2, 1], 1, 2), f([3], 10, 20, 30)], f([2, 3], 11, 21, 31, 12, 22, 32)),
    plain([i([2], 1, 2), i([], 5)], i([2], 6, 7)),
  ],
  Sub: [plain([f([2], 5, 1), f([1], 3)], f([2], 2, -2)), plain([f([], 3), f([2], 5, 1)], f([2], -2, 2))],
  Mul: [plain([f([1, 2], 2, 3), f([2, 1], 10, 100)], f([2, 2], 20, 30, 200, 300))],
  Div: [plain([f([2], 6, 1), f([2], 3, 4)], f([2], 2, 0.25)), plain([f([], 6), f([2], 3, -4)], f([2], 2, -1.5))],
  Equal: [
    plain([i([2, 1], 1, 2), i([2], 2, 1)], b([2, 2], 0, 1, 1, 0)),
    plain([b([2], 0, 1), b([1], 1)], b([2], 0, 1)),
  ],
  LessOrEqual: [plain([i([3], 1, 2, 3), i([], 2)], b([3], 1, 1, 0)), plain([f([], 2), f([2], 1.5, 2)], b([2], 0, 1))],
  Where: [plain([b([2, 1], 1, 0), f([2], 1, 2), f([], 9)], f([2, 2], 1, 2, 9, 9))],
  Cast: [
    { attributes: { to: "int64" }, inputs: [f([3], 2.9, -2.9, 0)], result: i([3], 2, -2, 0) },
    { attributes: { to: "bool" }, inputs: [f([3], 2.9, 0, -0.1)], result: b([3], 1, 0, 1) },
    { attributes: { to: "float32" }, inputs: [b([2], 0, 1)], result: f([2], 0, 1) },
  ],
  MatMul: [
    plain([f([2, 2], 1, 2, 3, 4), f([2, 1], 5, 6)], f([2, 1], 17, 39)),
    plain([f([2, 1, 2], 1, 2, 3, 4), f([2, 2], 1, 0, 0, 2)], f([2, 1, 2], 1, 4, 3, 8)),
    plain([f([2, 0]), f([0, 1])], f([2, 1], 0, 0)),
  ],
  Gemm: [
    {
      attributes: { transA: false, transB: true, alpha: 2 },
      inputs: [f([1, 2], 1, 2), f([3, 2], 1, 0, 0, 1, 1, 1), f([3], 10, 20, 30)],
      result: f([1, 3], 12, 24, 36),
    },
    {
      attributes: { transA: true, transB: false, alpha: 1 },
      inputs: [f([2, 1], 1, 2), f([2, 2], 1, 2, 3, 4)],
      result: f([1, 2], 7, 10),
    },
    {
      attributes: { transA: true, transB: true, alpha: -1 },
      inputs: [f([2, 1], 1, 2), f([1, 2], 3, 4), f([1, 1], 0.5)],
      result: f([1, 1], -10.5),
    },
  ],
  // Low nibbles first, 8 is zero: the row of the matrix is 2, −1, 0, … and the second block is scaled by 10.
  MatMulNBits: [
    {
      attributes: { bits: 4, blockSize: 16, accuracyLevel: 1 },
      inputs: [
        f([1, 32], 3, 5, ...new Array<number>(14).fill(9), 1, ...new Array<number>(15).fill(7)),
        u([1, 2, 8], 0x7a, ...new Array<number>(7).fill(0x88), 0x89, ...new Array<number>(7).fill(0x88)),
        f([2], 1, 10),
      ],
      result: f([1, 1], 3 * 2 - 5 + 10),
    },
    // Largest magnitude 127: multiples of 1.
    {
      attributes: { bits: 8, blockSize: 16, accuracyLevel: 4 },
      inputs: [
        f([1, 16], 127, 1.4, ...new Array<number>(14).fill(0)),
        u([2, 1, 16], 129, 128 + 100, ...new Array<number>(14).fill(0), ...new Array<number>(16).fill(127)),
        f([2], 0.5, 1),
      ],
      result: f([1, 2], 0.5 * (127 + 100), -128),
    },
  ],
  ReduceSum: [
    {
      attributes: { axes: [0], keepDims: false },
      inputs: [f([2, 3], 1, 2, 3, 10, 20, 30)],
      result: f([3], 11, 22, 33),
    },
    { attributes: { axes: [-1], keepDims: true }, inputs: [f([2, 2], 1, 2, 3, 4)], result: f([2, 1], 3, 7) },
    { attributes: { axes: [0, 1], keepDims: false }, inputs: [f([2, 2], 1, 2, 3, 4)], result: f([], 10) },
  ],
  ReduceMean: [
    { attributes: { axes: [1], keepDims: false }, inputs: [f([2, 2], 1, 2, 3, 5)], result: f([2], 1.5, 4) },
    {
      attributes: { axes: [-2, -1], keepDims: true },
      inputs: [f([1, 2, 2], 1, 2, 3, 6)],
      result: f([1, 1, 1], 3),
    },
  ],
  // 2.5 and 3.5 are rounded to even, 300 and −300 pass the ends.
  QuantizeLinear: [
    {
      attributes: { axis: 0 },
      inputs: [f([2, 3], 2.5, 3.5, 300, 5, 7, -300), f([2], 1, 2), u([2], 128, 10)],
      result: u([2, 3], 130, 132, 255, 12, 14, 0),
    },
  ],
  MatMulIntegerToFloat: [
    {
      attributes: {},
      inputs: [u([1, 2], 130, 127), u([2, 2], 7, 5, 3, 5), f([], 0.5), f([2], 10, 1), u([], 128), u([], 5)],
      result: f([1, 2], (2 * 2 + -1 * -2) * 5, 0),
    },
  ],
  ReduceMax: [
    { attributes: { axes: [1], keepDims: false }, inputs: [f([2, 2], 1, 2, -3, -5)], result: f([2], 2, -3) },
    {
      attributes: { axes: [-2, -1], keepDims: true },
      inputs: [f([1, 2, 2], 1, 9, 3, 6)],
      result: f([1, 1, 1], 9),
    },
  ],
  ArgMax: [plain([f([2, 3], 1, 4, 4, -3, -5, -4)], i([2], 1, 0)), plain([f([3], -2, 0, -1)], i([], 1))],
  Softmax: [
    plain([f([2, 2], 0, LOG_3, 1000, 1000)], f([2, 2], 0.25, 0.75, 0.5, 0.5)),
    plain([f([3], 1, 1, -1e9)], f([3], 0.5, 0.5, 0)),
  ],
  LogSoftmax: [
    plain([f([2, 2], 0, LOG_3, 1000, 1000)], f([2, 2], Math.log(0.25), Math.log(0.75), -Math.LN2, -Math.LN2)),
  ],
  // Mean 2 and variance 2: with epsilon 2 the divisor is 2.
  LayerNormalization: [
    {
      attributes: { epsilon: 2 },
      inputs: [f([1, 4], 0, 2, 2, 4), f([4], 1, 1, 2, 3), f([4], 0, 1, 1, 1)],
      result: f([1, 4], -1, 1, 1, 4),
    },
    { attributes: { epsilon: 0 }, inputs: [f([2], 1, 3), f([2], 5, 5)], result: f([2], -5, 5) },
  ],
  // Mean square 12: with epsilon 4 the divisor is 4.
  SimplifiedLayerNormalization: [
    {
      attributes: { epsilon: 4 },
      inputs: [f([1, 2], 4, Math.sqrt(8)), f([2], 1, 2)],
      result: f([1, 2], 1, Math.SQRT2),
    },
  ],
  // Two heads of queries share one of keys, headDim 1: scores of 0 weigh alike, those of log 3 three times as much. The second row of the past is reserved.
  GroupQueryAttention: [
    {
      attributes: { numHeads: 2, kvHeads: 1 },
      inputs: [
        f([1, 2, 2], 0, LOG_3, 0, LOG_3),
        f([1, 2, 1], 1, 0),
        f([1, 2, 1], 8, 12),
        f([1, 1, 2, 1], 0, 99),
        f([1, 1, 2, 1], 4, 99),
        n([1], 2),
        n([1], 3),
      ],
      result: f([1, 2, 2], 6, 7, 8, 8),
    },
  ],
  // Halves (1, 2) and (3, 4): the pairs are (1, 3) and (2, 4). Row 1 of the tables turns by 90 and 180 degrees.
  RotaryEmbedding: [
    plain(
      [f([1, 1, 2, 4], 1, 2, 3, 4, 1, 2, 3, 4), i([1, 2], 1, 0), f([2, 2], 1, 1, 0, -1), f([2, 2], 0, 0, 1, 0)],
      f([1, 1, 2, 4], -3, -2, 1, -4, 1, 2, 3, 4),
    ),
  ],
  Reshape: [
    { attributes: { shape: [3, 2] }, inputs: [f([2, 3], 1, 2, 3, 4, 5, 6)], result: f([3, 2], 1, 2, 3, 4, 5, 6) },
  ],
  Transpose: [
    { attributes: { perm: [1, 0] }, inputs: [f([2, 3], 1, 2, 3, 4, 5, 6)], result: f([3, 2], 1, 4, 2, 5, 3, 6) },
    {
      attributes: { perm: [2, 0, 1] },
      inputs: [f([1, 2, 3], 1, 2, 3, 4, 5, 6)],
      result: f([3, 1, 2], 1, 4, 2, 5, 3, 6),
    },
  ],
  Concat: [
    { attributes: { axis: 0 }, inputs: [f([1, 2], 1, 2), f([2, 2], 3, 4, 5, 6)], result: f([3, 2], 1, 2, 3, 4, 5, 6) },
    { attributes: { axis: -1 }, inputs: [f([2, 1], 1, 2), f([2, 0]), f([2, 1], 3, 4)], result: f([2, 2], 1, 3, 2, 4) },
  ],
  Slice: [
    {
      attributes: { axis: -1, start: 1, end: 3 },
      inputs: [f([2, 3], 1, 2, 3, 4, 5, 6)],
      result: f([2, 2], 2, 3, 5, 6),
    },
    { attributes: { axis: 0, start: 1, end: 1 }, inputs: [f([2, 1], 1, 2)], result: f([0, 1]) },
  ],
  Expand: [
    { attributes: { shape: [2, 2] }, inputs: [f([2, 1], 1, 2)], result: f([2, 2], 1, 1, 2, 2) },
    { attributes: { shape: [2, 2] }, inputs: [f([2], 1, 2)], result: f([2, 2], 1, 2, 1, 2) },
  ],
  Gather: [
    {
      attributes: { axis: 0 },
      inputs: [f([3, 2], 1, 2, 3, 4, 5, 6), i([2], 2, 2)],
      result: f([2, 2], 5, 6, 5, 6),
    },
    { attributes: { axis: 0 }, inputs: [f([3], 1, 2, 3), i([2, 1], 1, 0)], result: f([2, 1], 2, 1) },
    { attributes: { axis: 0 }, inputs: [i([2], 8, 9), i([], 1)], result: i([], 9) },
    { attributes: { axis: 1 }, inputs: [f([2, 2], 1, 2, 3, 4), i([1], 1)], result: f([2, 1], 2, 4) },
  ],
  ScatterND: [
    {
      attributes: { reduction: "add" },
      inputs: [f([3, 2], 1, 1, 1, 1, 1, 1), i([3, 1], 2, 0, 2), f([3, 2], 1, 2, 3, 4, 5, 6)],
      result: f([3, 2], 4, 5, 1, 1, 7, 9),
    },
  ],
};

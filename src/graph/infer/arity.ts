import type { OpName } from "../operators.ts";
import { check } from "./faults.ts";

/** Fewest and most inputs of every operator. */
const ARITY: Readonly<Record<OpName, readonly [number, number]>> = {
  Input: [0, 0],
  Weight: [0, 0],
  Constant: [0, 0],
  ConstantOfShape: [0, 0],
  Neg: [1, 1],
  Exp: [1, 1],
  Log: [1, 1],
  Sqrt: [1, 1],
  Reciprocal: [1, 1],
  Sigmoid: [1, 1],
  Tanh: [1, 1],
  Erf: [1, 1],
  Add: [2, 2],
  Sub: [2, 2],
  Mul: [2, 2],
  Div: [2, 2],
  Equal: [2, 2],
  LessOrEqual: [2, 2],
  Where: [3, 3],
  Cast: [1, 1],
  MatMul: [2, 2],
  Gemm: [2, 3],
  MatMulNBits: [3, 3],
  QuantizeLinear: [3, 3],
  MatMulIntegerToFloat: [6, 6],
  GroupQueryAttention: [7, 7],
  ReduceSum: [1, 1],
  ReduceMean: [1, 1],
  ReduceMax: [1, 1],
  ArgMax: [1, 1],
  Softmax: [1, 1],
  LogSoftmax: [1, 1],
  LayerNormalization: [2, 3],
  SimplifiedLayerNormalization: [2, 2],
  RotaryEmbedding: [4, 4],
  Reshape: [1, 1],
  Transpose: [1, 1],
  Concat: [1, Infinity],
  Slice: [1, 1],
  Expand: [1, 1],
  Gather: [2, 2],
  ScatterND: [3, 3],
};

export function checkArity(op: OpName, count: number): void {
  const [fewest, most] = ARITY[op];
  const range = most === fewest ? `${fewest}` : most === Infinity ? `${fewest} or more` : `${fewest} or ${most}`;
  check(count >= fewest && count <= most, `takes ${range} input${most === 1 ? "" : "s"}`);
}

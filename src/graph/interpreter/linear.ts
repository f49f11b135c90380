import { type Array64, generate, read, readBroadcast } from "./array.ts";
import { at, type EvaluationRules } from "./rule.ts";

function dot(length: number, a: (k: number) => number, b: (k: number) => number): number {
  let sum = 0;
  for (let k = 0; k < length; k++) sum += a(k) * b(k);
  return sum;
}

export const evaluateLinear: EvaluationRules<"MatMul" | "Gemm"> = {
  MatMul: ({ inputs, dims }): Array64 => {
    const [a, b] = [at(inputs, 0), at(inputs, 1)];
    const inner = a.dims.at(-1) ?? 0;
    return generate(dims, (index) => {
      const batch = index.slice(0, -2);
      const [row = 0, column = 0] = index.slice(-2);
      return dot(
        inner,
        (k) => readBroadcast(a, [...batch, row, k]),
        (k) => readBroadcast(b, [...batch, k, column]),
      );
    });
  },
  Gemm: ({ inputs, attributes, dims }): Array64 => {
    const [a, b, c] = [at(inputs, 0), at(inputs, 1), inputs[2]];
    const { transA, transB, alpha } = attributes;
    const inner = a.dims[transA ? 0 : 1] ?? 0;
    return generate(dims, ([row = 0, column = 0]) => {
      const product = dot(
        inner,
        (k) => read(a, transA ? [k, row] : [row, k]),
        (k) => read(b, transB ? [column, k] : [k, column]),
      );
      return alpha * product + (c === undefined ? 0 : readBroadcast(c, [row, column]));
    });
  },
};

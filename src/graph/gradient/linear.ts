import { gemm, matMul, transposeLast } from "../build.ts";
import { at, type GradientRules } from "./rule.ts";

export const linearGradients: GradientRules<"MatMul" | "Gemm"> = {
  MatMul: (_, dy, inputs) => {
    const [a, b] = [at(inputs, 0), at(inputs, 1)];
    return [matMul(dy, transposeLast(b)), matMul(transposeLast(a), dy)];
  },
  // With y = alpha · A' · B' (' = transposed where the attribute says so): dA' = alpha · dy · B'ᵀ and dB' = alpha · A'ᵀ · dy,
  // each written so that the result has the layout of A and B themselves.
  Gemm: (node, dy, inputs) => {
    const { transA, transB, alpha } = node.attributes;
    const [a, b] = [at(inputs, 0), at(inputs, 1)];
    const da = transA ? gemm(b, dy, { transA: transB, transB: true, alpha }) : gemm(dy, b, { transB: !transB, alpha });
    const db = transB ? gemm(dy, a, { transA: true, transB: transA, alpha }) : gemm(a, dy, { transA: !transA, alpha });
    return inputs.length === 3 ? [da, db, dy] : [da, db];
  },
};

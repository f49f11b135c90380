import { type Array64, generate, read } from "./array.ts";
import { at, type EvaluationRules } from "./rule.ts";

export const evaluateAttention: EvaluationRules<"GroupQueryAttention"> = {
  GroupQueryAttention: ({ inputs, attributes: { numHeads, kvHeads }, dims }) => {
    const [queries, last] = [at(inputs, 0), at(inputs, 5)];
    const headDim = (dims[2] ?? 0) / numHeads;
    const tokens = dims[1] ?? 0;
    /** How many rows of its past a sequence has. */
    const pastOf = (batch: number): number => read(last, [batch]) + 1 - tokens;
    /** The number at `place` of key or value `row` of a sequence: of its past, and then of its new tokens. */
    const rowsOf =
      (own: Array64, past: Array64) =>
      (batch: number, head: number, row: number, place: number): number =>
        row < pastOf(batch)
          ? read(past, [batch, head, row, place])
          : read(own, [batch, row - pastOf(batch), head * headDim + place]);
    const key = rowsOf(at(inputs, 1), at(inputs, 3));
    const value = rowsOf(at(inputs, 2), at(inputs, 4));
    const attention = (batch: number, token: number, head: number): readonly number[] => {
      const shared = Math.floor(head / (numHeads / kvHeads));
      const scores = Array.from({ length: pastOf(batch) + token + 1 }, (_, row) => {
        let score = 0;
        for (let place = 0; place < headDim; place++)
          score += read(queries, [batch, token, head * headDim + place]) * key(batch, shared, row, place);
        return score / Math.sqrt(headDim);
      });
      const top = Math.max(...scores);
      const exponentials = scores.map((score) => Math.exp(score - top));
      const sum = exponentials.reduce((a, b) => a + b, 0);
      return exponentials.map((part) => part / sum);
    };
    return generate(dims, ([batch = 0, token = 0, column = 0]) => {
      const head = Math.floor(column / headDim);
      const shared = Math.floor(head / (numHeads / kvHeads));
      return attention(batch, token, head).reduce(
        (sum, part, row) => sum + part * value(batch, shared, row, column % headDim),
        0,
      );
    });
  },
};

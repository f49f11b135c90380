import type { CompressionContext } from "./context.ts";

/** The keys of one head, [tokens, width], row-major, after the position encoding. */
export interface HeadKeys {
  readonly keys: Float32Array;
  readonly width: number;
}

/**
 * Scores that the cache alone gives.
 * @param score of the tokens of one head, [tokens]
 * @returns for every layer [kvHeads, tokens]
 */
export async function scoreRows(
  context: CompressionContext,
  score: (head: HeadKeys) => Float32Array,
): Promise<Float32Array[]> {
  const { numKvHeads, headDim } = context.model.config;
  const { layers } = await context.full();
  const tokens = context.ids.length;
  const size = tokens * headDim;
  return layers.map(({ keys }) => {
    const scores = new Float32Array(numKvHeads * tokens);
    for (let head = 0; head < numKvHeads; head++) {
      scores.set(score({ keys: keys.subarray(head * size, (head + 1) * size), width: headDim }), head * tokens);
    }
    return scores;
  });
}

import { scoreRows } from "../row-scores.ts";
import { perHeadMethod } from "./per-head.ts";

/**
 * KeyDiff (arXiv 2504.15364): in every layer and head the tokens whose keys are least like the others: the cosine to the mean of all keys,
 * each scaled to length 1. All tokens are judged at once; the paper's block by block is for memory while reading.
 */
export const keydiff = perHeadMethod("keydiff", ({ context }) =>
  scoreRows(context, ({ keys, width }) => {
    const tokens = keys.length / width;
    const lengths = Float64Array.from({ length: tokens }, (_, token) => {
      let sum = 0;
      for (let d = 0; d < width; d++) sum += (keys[token * width + d] ?? 0) ** 2;
      return Math.sqrt(sum);
    });
    const anchor = new Float64Array(width);
    lengths.forEach((length, token) => {
      if (length === 0) return;
      for (let d = 0; d < width; d++) anchor[d] = (anchor[d] ?? 0) + (keys[token * width + d] ?? 0) / length / tokens;
    });
    const anchorLength = Math.sqrt(anchor.reduce((sum, value) => sum + value ** 2, 0));
    return Float32Array.from(lengths, (length, token) => {
      let product = 0;
      for (let d = 0; d < width; d++) product += (keys[token * width + d] ?? 0) * (anchor[d] ?? 0);
      return length === 0 || anchorLength === 0 ? 0 : -product / length / anchorLength;
    });
  }),
);

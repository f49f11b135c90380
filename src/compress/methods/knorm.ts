import { scoreRows } from "../row-scores.ts";
import { perHeadMethod } from "./per-head.ts";

/** Key norms (arXiv 2406.11430): in every layer and head the tokens with the shortest keys, which attract most attention. */
export const knorm = perHeadMethod("knorm", ({ context }) =>
  scoreRows(context, ({ keys, width }) =>
    Float32Array.from({ length: keys.length / width }, (_, token) => {
      let sum = 0;
      for (let d = token * width; d < (token + 1) * width; d++) sum += (keys[d] ?? 0) ** 2;
      return -Math.sqrt(sum);
    }),
  ),
);

import { withWindow } from "../window.ts";
import { perHeadMethod } from "./per-head.ts";

/**
 * TOVA (arXiv 2401.06104): in every layer the tokens that the context's last token looks at most, mean over all its heads, so that the heads
 * of a layer keep the same ones; and the last token itself. The paper drops a token at every step; here all are judged at the end, as for
 * every other method.
 */
export const tova = perHeadMethod("tova", async ({ context }) => {
  const { numKvHeads } = context.model.config;
  const tokens = context.ids.length;
  return (await context.attentionFromLast(1)).map((received) => {
    const mean = Float32Array.from({ length: tokens }, (_, token) => {
      let sum = 0;
      for (let head = 0; head < numKvHeads; head++) sum += received[head * tokens + token] ?? 0;
      return sum / numKvHeads;
    });
    const scores = new Float32Array(numKvHeads * tokens);
    const own = withWindow(mean.subarray(0, tokens - 1), 1);
    for (let head = 0; head < numKvHeads; head++) scores.set(own, head * tokens);
    return scores;
  });
});

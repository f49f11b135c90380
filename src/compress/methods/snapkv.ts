import type { CompressionMethod, CompressionRequest } from "../method.ts";
import { smoothed, withWindow } from "../window.ts";
import { perHeadMethod } from "./per-head.ts";

/** Tokens of the observation window, as in kvpress. */
export const WINDOW = 64;

/**
 * SnapKV (arXiv 2404.14469): in every layer and kv head the tokens that the last ones, the observation window, look at most, smoothed over
 * neighbours; the window itself is kept. Without the question in it the window is the end of the context.
 * @param window at most as many tokens; fewer when the window would take more than half of the budget, of which nothing would be left to choose
 */
export function snapkv(window = WINDOW): CompressionMethod {
  return perHeadMethod("snapkv", (request) => windowScores(request, windowFor(request, window)));
}

/** Tokens of the window for a budget. */
export function windowFor({ count, sinks, context }: CompressionRequest, most: number): number {
  const half = Math.max(1, Math.floor((count - sinks) / 2));
  return Math.min(most, half, context.ids.length);
}

/** Scores by the attention of the last `window` tokens, for every layer [kvHeads, tokens]. */
export async function windowScores({ context }: CompressionRequest, window: number): Promise<Float32Array[]> {
  const tokens = context.ids.length;
  const { numQueryHeads, numKvHeads } = context.model.config;
  const queries = window * (numQueryHeads / numKvHeads);
  return (await context.attentionFromLast(window)).map((received) => {
    const scores = new Float32Array(received.length);
    for (let start = 0; start < received.length; start += tokens) {
      const mean = received.subarray(start, start + tokens - window).map((sum) => sum / queries);
      scores.set(withWindow(smoothed(mean), window), start);
    }
    return scores;
  });
}

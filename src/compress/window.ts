/** Width of the mean that smooths the attention of a window. SnapKV's authors: 5 or 7; kvpress: 5. */
const KERNEL = 5;

/**
 * Scores of SnapKV (arXiv 2404.14469, algorithm 1): the attention from a window, smoothed over neighbouring tokens.
 * @param received attention that each token in front of the window gets, in any one unit
 * @returns means over KERNEL neighbours; beyond both ends there is no attention
 */
export function smoothed(received: Float32Array): Float32Array {
  const reach = (KERNEL - 1) / 2;
  return received.map((_, token) => {
    let sum = 0;
    for (let at = Math.max(0, token - reach); at <= token + reach; at++) sum += received[at] ?? 0;
    return sum / KERNEL;
  });
}

/** Scores with those of a window behind them: `size` tokens that are kept before any other, scored 1 above the highest. */
export function withWindow(scores: Float32Array, size: number): Float32Array {
  const all = new Float32Array(scores.length + size);
  all.set(scores);
  return all.fill(scores.reduce((most, score) => Math.max(most, score), 0) + 1, scores.length);
}

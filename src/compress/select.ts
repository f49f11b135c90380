/**
 * Positions to keep: the first `sinks` and the highest scores, `count` in all, sorted (METHOD section 1). Equal scores: the earlier token wins.
 * @param scores one for each token
 */
export function selectKept(scores: ArrayLike<number>, count: number, sinks: number): Int32Array<ArrayBuffer> {
  const rank = (position: number): number => (position < sinks ? Infinity : (scores[position] ?? -Infinity));
  const order = Array.from({ length: scores.length }, (_, position) => position);
  // Infinity - Infinity is NaN, so sinks are compared by position alone.
  order.sort((a, b) => (rank(a) === rank(b) ? a - b : rank(b) - rank(a)));
  return Int32Array.from(order.slice(0, count)).sort();
}

import type { AdapterSelection } from "../cache/adapter.ts";

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

/**
 * Positions to keep in every head, sorted, by scores that heads share one budget for: the first `sinks` of each and the highest of all, `total`
 * in all. Equal scores: the earlier head wins, in it the earlier token.
 * @param scores of every head, one for each token
 */
export function selectAcross(
  scores: readonly ArrayLike<number>[],
  total: number,
  sinks: number,
): Int32Array<ArrayBuffer>[] {
  const tokens = scores[0]?.length ?? 0;
  const first = Math.min(sinks, tokens);
  const rest = tokens - first;
  const free = new Float32Array(scores.length * rest);
  scores.forEach((own, head) => {
    for (let i = 0; i < rest; i++) free[head * rest + i] = own[first + i] ?? 0;
  });
  const kept = scores.map(() => [...Array(first).keys()]);
  for (const at of selectKept(free, Math.max(0, total - first * scores.length), 0)) {
    kept[Math.floor(at / rest)]?.push(first + (at % rest));
  }
  return kept.map((own) => Int32Array.from(own));
}

/** What a context's scores select (METHOD section 1). */
export interface TokenSelection {
  /** Kept positions, sorted: one entry for all layers and heads, or one for each, layer · numKvHeads + head. */
  readonly kept: readonly Int32Array<ArrayBuffer>[];
  /** Tokens that the query and output adapters act on (METHOD section 2): those with the highest mean score, as many as a head keeps on average. */
  readonly routed: Int32Array<ArrayBuffer>;
}

export interface TokenRequest {
  readonly selection: AdapterSelection;
  /** Scores of a token. */
  readonly columns: number;
  /** Rows of every head, sinks included; across heads the mean. */
  readonly count: number;
  readonly sinks: number;
}

/**
 * Selects by score.
 * @param scores [tokens, columns]
 */
export function selectTokens(scores: Float32Array, { selection, columns, count, sinks }: TokenRequest): TokenSelection {
  const tokens = scores.length / columns;
  const column = (c: number): Float32Array =>
    Float32Array.from({ length: tokens }, (_, i) => scores[i * columns + c] ?? 0);
  const all = Array.from({ length: columns }, (_, c) => column(c));
  const kept =
    selection === "across-heads"
      ? selectAcross(all, count * columns, sinks)
      : all.map((own) => selectKept(own, count, sinks));
  const [only] = kept;
  if (columns === 1 && only !== undefined) return { kept, routed: only };
  const mean = Float64Array.from({ length: tokens }, (_, i) => {
    let sum = 0;
    for (let c = 0; c < columns; c++) sum += scores[i * columns + c] ?? 0;
    return sum / columns;
  });
  return { kept, routed: selectKept(mean, count, sinks) };
}

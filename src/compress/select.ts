import type { AdapterRouting, AdapterSelection } from "../cache/adapter.ts";

/**
 * Positions to keep: the first `sinks` and the highest scores, `count` in all, sorted (METHOD section 1). Equal scores: the earlier token wins.
 * @param scores one for each token; NaN ranks last
 */
export function selectKept(scores: ArrayLike<number>, count: number, sinks: number): Int32Array<ArrayBuffer> {
  const ranks = new Float64Array(scores.length);
  for (let position = 0; position < ranks.length; position++) {
    const score = scores[position] ?? NaN;
    ranks[position] = position < sinks ? Infinity : Number.isNaN(score) ? -Infinity : score;
  }
  const wanted = Math.min(count, ranks.length);
  if (wanted <= 0) return new Int32Array();
  // Numbers alone are sorted ten times as fast as positions by their numbers: heads that share a budget have hundreds of thousands.
  const least = ranks.toSorted()[ranks.length - wanted] ?? -Infinity;
  let equal = wanted;
  for (const rank of ranks) if (rank > least) equal--;
  const kept = new Int32Array(wanted);
  let at = 0;
  for (let position = 0; position < ranks.length && at < wanted; position++) {
    const rank = ranks[position] ?? -Infinity;
    if (rank > least || (rank === least && equal-- > 0)) kept[at++] = position;
  }
  return kept;
}

/**
 * Positions to keep in every head, sorted, by scores that heads share one budget for: the first `sinks` of each and the highest of all, `total`
 * in all. Equal scores: the earlier head wins, in it the earlier token. A head that would pass `most` keeps its best, and the others share what
 * that leaves.
 * @param scores of every head, one for each token
 */
export function selectAcross(
  scores: readonly ArrayLike<number>[],
  total: number,
  sinks: number,
  most = Infinity,
): Int32Array<ArrayBuffer>[] {
  const kept = selectAmong(scores, total, sinks);
  if (kept.every(({ length }) => length <= most)) return kept;
  const full = new Set<number>();
  for (;;) {
    for (const [head, { length }] of kept.entries()) if (length >= most) full.add(head);
    for (const head of full) kept[head] = selectKept(scores[head] ?? [], most, sinks);
    const others = [...kept.keys()].filter((head) => !full.has(head));
    const left = total - full.size * most;
    selectAmong(
      others.map((head) => scores[head] ?? []),
      left,
      sinks,
    ).forEach((own, i) => (kept[others[i] ?? 0] = own));
    if (kept.every(({ length }) => length <= most)) return kept;
  }
}

function selectAmong(scores: readonly ArrayLike<number>[], total: number, sinks: number): Int32Array<ArrayBuffer>[] {
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
  /**
   * Tokens that the query and output adapters act on (METHOD section 2): the kept ones; where heads keep tokens of their own, those with the highest
   * mean score, as many as a head keeps on average.
   */
  readonly routed: Int32Array<ArrayBuffer>;
}

export interface TokenRequest {
  readonly selection: AdapterSelection;
  readonly routing: AdapterRouting;
  /** Scores of a token. */
  readonly columns: number;
  /** Rows of every head, sinks included; across heads the mean. */
  readonly count: number;
  /** Across heads: rows that one of them may keep; as many as there are tokens when left out. */
  readonly most?: number | undefined;
  readonly sinks: number;
}

/**
 * Selects by score.
 * @param scores [tokens, columns]
 */
export function selectTokens(
  scores: Float32Array,
  { selection, routing, columns, count, most, sinks }: TokenRequest,
): TokenSelection {
  const tokens = scores.length / columns;
  const all = Array.from({ length: columns }, (_, c) => {
    const column = new Float32Array(tokens);
    for (let i = 0; i < tokens; i++) column[i] = scores[i * columns + c] ?? 0;
    return column;
  });
  const kept =
    selection === "across-heads"
      ? selectAcross(all, count * columns, sinks, most)
      : all.map((own) => selectKept(own, count, sinks));
  if (routing === "all") return { kept, routed: Int32Array.from({ length: tokens }, (_, i) => i) };
  const [only] = kept;
  if (columns === 1 && only !== undefined) return { kept, routed: only };
  const mean = new Float64Array(tokens);
  for (let i = 0; i < tokens; i++) {
    let sum = 0;
    for (let c = 0; c < columns; c++) sum += scores[i * columns + c] ?? 0;
    mean[i] = sum / columns;
  }
  return { kept, routed: selectKept(mean, count, sinks) };
}

import { isPerHead, type KvCache, positionsOf } from "../../cache/kv-cache.ts";

/** Which tokens of a context a cache holds. */
export interface KeptTokens {
  /** Choices made: layers · kv heads, or 1 when the tokens are the same in all of them. */
  readonly heads: number;
  /** For every token of the context, by how many of the `heads` it is held. */
  readonly holders: Uint32Array;
  /** For every token the highest score that it was kept for, -Infinity where it was not kept; undefined without scores. */
  readonly scores: Float32Array | undefined;
}

export function keptTokens(cache: KvCache): KeptTokens {
  const { contextLength, layers, numKvHeads, scores: given } = cache;
  const perHead = isPerHead(cache);
  const holders = new Uint32Array(contextLength);
  const scores = given === undefined ? undefined : new Float32Array(contextLength).fill(-Infinity);
  const layerCount = perHead ? layers.length : 1;
  const headCount = perHead ? numKvHeads : 1;
  let at = 0;
  for (let layer = 0; layer < layerCount; layer++) {
    for (let head = 0; head < headCount; head++) {
      for (const position of positionsOf(cache, layer, head)) {
        holders[position] = (holders[position] ?? 0) + 1;
        if (scores !== undefined) scores[position] = Math.max(scores[position] ?? -Infinity, given?.[at] ?? -Infinity);
        at++;
      }
    }
  }
  return { heads: layerCount * headCount, holders, scores };
}

/** Shares of kept rows in up to `parts` equal stretches of the span, in order. */
export function keptShares(
  { heads, holders }: KeptTokens,
  { start, end }: { readonly start: number; readonly end: number },
  parts: number,
): number[] {
  const count = Math.min(parts, end - start);
  const border = (part: number): number => start + Math.round((part * (end - start)) / count);
  return Array.from({ length: count }, (_, part) => {
    const stretch = holders.subarray(border(part), border(part + 1));
    return stretch.reduce((sum, own) => sum + own, 0) / (heads * stretch.length);
  });
}

import { isPerHead, type KvCache, partOf } from "../cache/kv-cache.ts";
import { countKept, type KeptTokens } from "./kept-tokens.ts";

/** Which tokens of its context a cache holds. */
export function keptTokens(cache: KvCache): KeptTokens {
  const { contextLength, layers, numKvHeads, scores } = cache;
  if (!isPerHead(cache))
    return countKept([cache.positions], scores === undefined ? undefined : [scores], contextLength);
  const own = <T extends Int32Array | Float32Array>(all: T): T[] =>
    layers.flatMap((_, layer) => Array.from({ length: numKvHeads }, (_, head) => partOf(cache, all, layer, head)));
  return countKept(own(cache.positions), scores && own(scores), contextLength);
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

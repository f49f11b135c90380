import type { AdapterConfig } from "../cache/adapter.ts";

/**
 * What an adapter's updates are multiplied by when `count` of `tokens` rows are kept: where nothing is dropped there is nothing to pack, and a
 * cache that is kept whole stays the base model's.
 */
export function strengthOf(
  { strengthExponent }: Pick<AdapterConfig, "strengthExponent">,
  count: number,
  tokens: number,
): number {
  return (1 - count / tokens) ** strengthExponent;
}

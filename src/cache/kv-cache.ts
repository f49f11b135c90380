import { allRowCounts, heldRows, type HostLayer, isRagged } from "../models/host-layer.ts";
import type { RoundedPrecision } from "../models/precision/precision.ts";

/** Keys and values of one layer, keys with the gate multiplied in. */
export type CacheLayer = HostLayer;

/** What was asked for: a fraction of the span, a number of tokens, or a number of bytes. */
export interface AskedKeep {
  readonly kind: "fraction" | "tokens" | "bytes";
  readonly value: number;
}

/** Where a cache comes from. Hashes are sha256 in lower-case hex. */
export interface CacheProvenance {
  readonly modelName: string;
  readonly modelHash: string;
  readonly tokenizerHash: string;
  /** "none" for methods without an adapter. */
  readonly adapterHash: string;
  /** The compression method's name, such as "kv-distill" or "snapkv". */
  readonly method: string;
  /** Of the model that computed the rows; absent: float32. Models of any precision read them. */
  readonly precision?: RoundedPrecision;
  /** The compressed part of the context, in token positions, `end` not included. Tokens outside it are all kept. */
  readonly span: { readonly start: number; readonly end: number };
  readonly asked: AskedKeep;
  /** Program and version, such as "kv-distill 0.1.0". */
  readonly createdBy: string;
}

/**
 * A compressed cache in memory: the rows of the kept tokens; either the same tokens in every layer and head, or tokens of its own for each, equally
 * many or not. `checkKvCache` says what must hold.
 */
export interface KvCache {
  readonly layers: readonly CacheLayer[];
  readonly numKvHeads: number;
  readonly headDim: number;
  /**
   * Original token positions, strictly increasing: [slots] for all layers and heads, or of every head its own, head after head, layer after
   * layer: [layers, numKvHeads, slots] where all have equally many.
   */
  readonly positions: Int32Array<ArrayBuffer>;
  /** What the tokens were chosen by, shaped as `positions`. */
  readonly scores?: Float32Array<ArrayBuffer>;
  /** [contextLength], every token of the context, kept or not. */
  readonly tokenIds?: Int32Array<ArrayBuffer>;
  /** Tokens of the context. */
  readonly contextLength: number;
  /** Position at which reading continues; after the context's last token when left out (`nextPositionOf`). */
  readonly nextPosition?: number;
  readonly provenance: CacheProvenance;
}

type Shaped = Pick<KvCache, "layers" | "numKvHeads" | "headDim">;

/** Rows of every layer and head; their mean where heads hold different numbers. */
export function slotsOf(cache: Shaped): number {
  return heldRows(cache.layers, cache);
}

/** Rows of the head that holds most. */
export function mostRowsOf(cache: Shaped): number {
  return Math.max(...allRowCounts(cache.layers, cache));
}

/** Position of the first token that is read after the context. */
export function nextPositionOf({
  nextPosition,
  contextLength,
}: Pick<KvCache, "nextPosition" | "contextLength">): number {
  return nextPosition ?? contextLength;
}

/** Whether heads hold different numbers of rows. */
export function isRaggedCache(cache: Shaped): boolean {
  return isRagged(cache.layers, cache);
}

/** Whether every layer and head keeps tokens of its own. */
export function isPerHead(cache: KvCache): boolean {
  return cache.positions.length > slotsOf(cache);
}

/** A head's part of what there is for every row, positions or scores. */
export function partOf<T extends Int32Array | Float32Array>(cache: KvCache, all: T, layer: number, head: number): T {
  if (!isPerHead(cache)) return all;
  const counts = allRowCounts(cache.layers, cache);
  const at = layer * cache.numKvHeads + head;
  const start = counts.slice(0, at).reduce((sum, count) => sum + count, 0);
  return all.subarray(start, start + (counts[at] ?? 0)) as T;
}

/** Positions of the rows of one head. */
export function positionsOf(cache: KvCache, layer: number, head: number): Int32Array<ArrayBuffer> {
  return partOf(cache, cache.positions, layer, head);
}

/** The fraction of the span's tokens that a cache holds, mean over layers and heads. */
export function obtainedKeep(cache: KvCache): number {
  const { start, end } = cache.provenance.span;
  const kept = cache.positions.reduce(
    (count, position) => (position >= start && position < end ? count + 1 : count),
    0,
  );
  return kept / (isPerHead(cache) ? cache.layers.length * cache.numKvHeads : 1) / (end - start);
}

/** Bytes of the keys and values of `slots` rows of every head, or on average, `bytesPerValue` each (2 for F16, 4 for F32). */
export function keyValueBytes(
  shape: { readonly numLayers: number; readonly numKvHeads: number; readonly headDim: number },
  slots: number,
  bytesPerValue: number,
): number {
  return Math.round(2 * shape.numLayers * shape.numKvHeads * shape.headDim * slots * bytesPerValue);
}

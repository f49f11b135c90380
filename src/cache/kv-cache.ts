/** Keys and values of one layer, [numKvHeads, slots, headDim] each, row-major. */
export interface CacheLayer {
  /** After RoPE at the tokens' original positions, with the gate multiplied in. */
  readonly keys: Float32Array<ArrayBuffer>;
  readonly values: Float32Array<ArrayBuffer>;
}

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
  /** The compressed part of the context, in token positions, `end` not included. Tokens outside it are all kept. */
  readonly span: { readonly start: number; readonly end: number };
  readonly asked: AskedKeep;
  /** Program and version, such as "kv-distill 0.1.0". */
  readonly createdBy: string;
}

/**
 * A compressed cache in memory: the rows of the kept tokens, equally many in every layer and head; either the same tokens everywhere or
 * tokens of its own for every layer and head. `checkKvCache` says what must hold.
 */
export interface KvCache {
  readonly layers: readonly CacheLayer[];
  readonly numKvHeads: number;
  readonly headDim: number;
  /** Original token positions, strictly increasing: [slots] for all layers and heads, or [layers, numKvHeads, slots]. */
  readonly positions: Int32Array<ArrayBuffer>;
  /** What the tokens were chosen by, shaped as `positions`. */
  readonly scores?: Float32Array<ArrayBuffer>;
  /** [contextLength], every token of the context, kept or not. */
  readonly tokenIds?: Int32Array<ArrayBuffer>;
  /** Tokens of the context: the position at which reading continues. */
  readonly contextLength: number;
  readonly provenance: CacheProvenance;
}

/** Rows of every layer and head. */
export function slotsOf({ layers, numKvHeads, headDim }: Pick<KvCache, "layers" | "numKvHeads" | "headDim">): number {
  return (layers[0]?.keys.length ?? 0) / (numKvHeads * headDim);
}

/** Whether every layer and head keeps tokens of its own. */
export function isPerHead(cache: KvCache): boolean {
  return cache.positions.length > slotsOf(cache);
}

/** Positions of the rows of one head, [slots]. */
export function positionsOf(cache: KvCache, layer: number, head: number): Int32Array<ArrayBuffer> {
  if (!isPerHead(cache)) return cache.positions;
  const slots = slotsOf(cache);
  const start = (layer * cache.numKvHeads + head) * slots;
  return cache.positions.subarray(start, start + slots);
}

/**
 * The fraction of the span's tokens that a cache holds, mean over layers and heads.
 * @param positions [slots], or [heads, slots] of all heads of all layers
 */
export function obtainedKeep(
  positions: Int32Array,
  slots: number,
  span: { readonly start: number; readonly end: number },
): number {
  const kept = positions.reduce(
    (count, position) => (position >= span.start && position < span.end ? count + 1 : count),
    0,
  );
  return kept / (positions.length / slots) / (span.end - span.start);
}

/** Bytes of the keys and values of `slots` tokens, `bytesPerValue` each (2 for F16, 4 for F32). */
export function keyValueBytes(
  shape: { readonly numLayers: number; readonly numKvHeads: number; readonly headDim: number },
  slots: number,
  bytesPerValue: number,
): number {
  return 2 * shape.numLayers * shape.numKvHeads * shape.headDim * slots * bytesPerValue;
}

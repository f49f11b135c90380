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
 * A compressed cache in memory: the rows of the kept tokens, the same tokens in every layer and head.
 * `checkKvCache` says what must hold.
 */
export interface KvCache {
  readonly layers: readonly CacheLayer[];
  readonly numKvHeads: number;
  readonly headDim: number;
  /** [slots], original token positions, strictly increasing. */
  readonly positions: Int32Array<ArrayBuffer>;
  /** [slots], what the tokens were chosen by. */
  readonly scores?: Float32Array<ArrayBuffer>;
  /** [contextLength], every token of the context, kept or not. */
  readonly tokenIds?: Int32Array<ArrayBuffer>;
  /** Tokens of the context: the position at which reading continues. */
  readonly contextLength: number;
  readonly provenance: CacheProvenance;
}

/** The fraction of the span's tokens that a cache holds. */
export function obtainedKeep(positions: Int32Array, span: { readonly start: number; readonly end: number }): number {
  const kept = positions.reduce(
    (count, position) => (position >= span.start && position < span.end ? count + 1 : count),
    0,
  );
  return kept / (span.end - span.start);
}

/** Bytes of the keys and values of `slots` tokens, `bytesPerValue` each (2 for F16, 4 for F32). */
export function keyValueBytes(
  shape: { readonly numLayers: number; readonly numKvHeads: number; readonly headDim: number },
  slots: number,
  bytesPerValue: number,
): number {
  return 2 * shape.numLayers * shape.numKvHeads * shape.headDim * slots * bytesPerValue;
}

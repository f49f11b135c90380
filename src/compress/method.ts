import type { HostLayer } from "../models/layer-cache.ts";
import type { CompressionContext } from "./context.ts";

/** Kept rows: the same number in every layer and head. */
export interface CompressedRows {
  readonly layers: readonly HostLayer[];
  /** Kept positions within the context, sorted: one entry for all layers and heads, or one for each, layer · numKvHeads + head. */
  readonly positions: readonly Int32Array<ArrayBuffer>[];
  /** What the kept tokens were chosen by, entry by entry as `positions`; left out by methods without scores. */
  readonly scores?: readonly Float32Array<ArrayBuffer>[];
}

export interface CompressionRequest {
  readonly context: CompressionContext;
  /** Rows to keep, sinks included. */
  readonly count: number;
  /** Leading tokens that are always kept. */
  readonly sinks: number;
  /** For methods that draw. */
  readonly seed: number;
}

/** One way to compress a context without knowing the question. */
export interface CompressionMethod {
  readonly name: string;
  compress(request: CompressionRequest): Promise<CompressedRows>;
}

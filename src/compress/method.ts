import type { HostLayer } from "../models/layer-cache.ts";
import type { CompressionContext } from "./context.ts";

/** Kept rows: the same number in every layer and head. */
export interface CompressedRows {
  readonly layers: readonly HostLayer[];
  /** Kept positions, sorted, when they are the same in every layer and head; undefined for methods that choose per head. */
  readonly positions: Int32Array<ArrayBuffer> | undefined;
  /** What the kept tokens were chosen by, where one score per token exists, [kept]. */
  readonly scores: Float32Array<ArrayBuffer> | undefined;
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

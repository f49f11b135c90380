import type { ReadPositions } from "../cache/adapter.ts";
import type { HostLayer } from "../models/host-layer.ts";
import type { CompressionContext } from "./context.ts";

/** Kept rows: equally many in every head of every layer, unless the method is `ragged`. */
export interface CompressedRows {
  readonly layers: readonly HostLayer[];
  /** Kept positions within the context, sorted: one entry for all layers and heads, or one for each, layer · numKvHeads + head. */
  readonly positions: readonly Int32Array<ArrayBuffer>[];
  /** What the kept tokens were chosen by, entry by entry as `positions`; left out by methods without scores. */
  readonly scores?: readonly Float32Array<ArrayBuffer>[];
}

export interface CompressionRequest {
  readonly context: CompressionContext;
  /** Rows to keep, sinks included; for a `ragged` method the mean over layers and heads. */
  readonly count: number;
  /** Rows that one head may keep, for a `ragged` method; as many as there are when left out. */
  readonly most?: number;
  /** Leading tokens that are always kept. */
  readonly sinks: number;
  /** For methods that draw. */
  readonly seed: number;
  /** What is going to be asked, from after the context to the answer's start: given to `questionAware` methods alone. */
  readonly questionIds?: readonly number[];
}

/** One way to compress a context. */
export interface CompressionMethod {
  readonly name: string;
  /** Chooses by the question (`CompressionRequest.questionIds`): its cache serves that question alone, so it is no rival but a bound. */
  readonly questionAware?: true;
  /** Its rows are of a reading of its own, so that everything kept is not the full cache; others take theirs from the full reading. */
  readonly ownReading?: true;
  /** Layers or heads keep different numbers of rows: the budget is their mean. */
  readonly ragged?: true;
  /** Where reading goes on after its rows; after the context's last token when left out (`nextPosition`). */
  readonly readPositions?: ReadPositions;
  compress(request: CompressionRequest): Promise<CompressedRows>;
}

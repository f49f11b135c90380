import { type Fold, folds } from "../../compress/fold.ts";
import type { TrainingBatch } from "../batch.ts";
import type { StepSettings } from "./engine.ts";

/** A stretch of one passage's context, which is encoded by itself. */
export interface EncodedFold extends Pick<Fold, "start" | "end" | "lead"> {
  /** Place of the passage in the batch. */
  readonly passage: number;
}

/**
 * How the contexts of a batch are encoded: every fold is a row of its own, at its true positions, right after the context's sinks where it is not
 * the first (METHOD section 6). Where no context is longer than a fold that is how they lie in the batch.
 */
export class FoldLayout {
  /** Rows of the encoder, E. */
  readonly folds: readonly EncodedFold[];
  /** F: the longest fold, with what is read in front of it. */
  readonly width: number;
  /** Every context is one fold. */
  readonly isWhole: boolean;
  /** [B · S]: where a context's token lies in [E · F]; -1 for padding. */
  private readonly places: Int32Array;

  constructor({ contextLengths, contextWidth }: TrainingBatch, settings: StepSettings) {
    this.folds = contextLengths.flatMap((length, passage) =>
      // Where folds end does not depend on what is kept.
      folds(length, length, settings.sinks, settings).map(({ start, end, lead }) => ({ passage, start, end, lead })),
    );
    this.isWhole = this.folds.length === contextLengths.length;
    this.width = Math.max(...this.folds.map(({ start, end, lead }) => lead + end - start));
    this.places = new Int32Array(contextLengths.length * contextWidth).fill(-1);
    this.folds.forEach(({ passage, start, end, lead }, row) => {
      for (let position = start; position < end; position++) {
        this.places[passage * contextWidth + position] = row * this.width + lead + position - start;
      }
    });
  }

  /** Row of a token of the context layout [B · S] among a head's keys, [E, heads, F]. */
  keyRow(at: number, head: number, heads: number): number {
    const place = this.places[at] ?? 0;
    const row = Math.floor(place / this.width);
    return (row * heads + head) * this.width + (place % this.width);
  }

  /** [B · S, columns] as [E · F, columns]; padding, and what is read in front of folds, is 0. */
  toFolds(values: Float32Array<ArrayBuffer>, columns: number): Float32Array<ArrayBuffer> {
    if (this.isWhole) return values;
    const moved = new Float32Array(this.folds.length * this.width * columns);
    this.places.forEach((place, at) => {
      if (place >= 0) moved.set(values.subarray(at * columns, (at + 1) * columns), place * columns);
    });
    return moved;
  }

  /** [B · S, 1] as [E · F, 1], with one number for all that is read in front of a fold. */
  toFoldsWithLead(values: Float32Array<ArrayBuffer>, ofLead: readonly number[]): Float32Array<ArrayBuffer> {
    const moved = this.toFolds(values, 1);
    this.folds.forEach(({ lead }, row) => {
      moved.fill(ofLead[row] ?? 0, row * this.width, row * this.width + lead);
    });
    return moved;
  }

  /** [E · F, columns] as [B · S, columns]; padding is 0. */
  toContexts(values: Float32Array<ArrayBuffer>, columns: number): Float32Array<ArrayBuffer> {
    if (this.isWhole) return values;
    const moved = new Float32Array(this.places.length * columns);
    this.places.forEach((place, at) => {
      if (place >= 0) moved.set(values.subarray(place * columns, (place + 1) * columns), at * columns);
    });
    return moved;
  }
}

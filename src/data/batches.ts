import { KvDistillError } from "../util/errors.ts";
import { randomFromSeed, randomFromState } from "../util/random.ts";
import type { Random, RandomState } from "../util/random.ts";

export interface BatchOptions {
  /** Examples in a batch; the last batch of an epoch may hold fewer. */
  readonly batchSize: number;
  /** Batches in a window; examples are sorted by length inside a window, so that a batch pads little. */
  readonly windowBatches: number;
  readonly seed: number;
}

/** Where in the data a run stands: plain JSON, saved in checkpoints. */
export interface DataCursor {
  /** Passes over the data that were begun before this one. */
  readonly epoch: number;
  /** Batches of this epoch that were handed out. */
  readonly position: number;
  /** The generator as it was when this epoch's order was drawn. */
  readonly random: RandomState;
}

export interface Batch {
  readonly epoch: number;
  /** Indices of the examples. */
  readonly examples: readonly number[];
}

export interface BatchStream {
  /** The next batch; after the last of an epoch the next epoch begins. */
  next(): Batch;
  /** The state after the batches handed out so far. */
  cursor(): DataCursor;
  readonly batchesPerEpoch: number;
}

/**
 * Endless batches of examples of about equal length in a seeded order: every epoch holds each example once. With a
 * `cursor` the stream goes on exactly where that cursor was taken, over the same lengths and options.
 * @param lengths the length of each example, in tokens
 * @throws KvDistillError `bad-argument` for no examples or impossible options, `bad-file` for a cursor that does not fit.
 */
export function createBatches(lengths: readonly number[], options: BatchOptions, cursor?: DataCursor): BatchStream {
  checkOptions(lengths, options);
  const batchesPerEpoch = Math.ceil(lengths.length / options.batchSize);
  if (cursor !== undefined) checkCursor(cursor, batchesPerEpoch);
  const random = cursor === undefined ? randomFromSeed(options.seed) : randomFromState(cursor.random);
  let epoch = cursor?.epoch ?? 0;
  let position = cursor?.position ?? 0;
  let epochStart = random.state();
  let order = drawEpoch(lengths, options, random);

  return {
    batchesPerEpoch,
    next: () => {
      if (position === order.length) {
        epoch++;
        position = 0;
        epochStart = random.state();
        order = drawEpoch(lengths, options, random);
      }
      const examples = order[position] ?? [];
      position++;
      return { epoch, examples };
    },
    cursor: () => ({ epoch, position, random: epochStart }),
  };
}

/** The batches of one epoch: a shuffled order, cut into windows, each sorted by length and its batches shuffled. */
function drawEpoch(lengths: readonly number[], options: BatchOptions, random: Random): number[][] {
  const order = random.shuffle(lengths.map((_, index) => index));
  const windowSize = options.batchSize * options.windowBatches;
  return chunks(order, windowSize).flatMap((window) => {
    window.sort((a, b) => (lengths[a] ?? 0) - (lengths[b] ?? 0));
    return random.shuffle(chunks(window, options.batchSize));
  });
}

/**
 * A batch in pieces of at most `size`, in order, for gradient accumulation.
 * @throws KvDistillError `bad-argument` for an empty batch or a size below 1.
 */
export function microBatches<T>(batch: readonly T[], size: number): T[][] {
  if (batch.length === 0) throw wrong("batch", "at least one example", batch.length);
  if (!isCount(size)) throw wrong("micro-batch size", "a whole number from 1", size);
  return chunks(batch, size);
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  const count = Math.ceil(items.length / size);
  return Array.from({ length: count }, (_, index) => items.slice(index * size, (index + 1) * size));
}

function checkOptions(lengths: readonly number[], options: BatchOptions): void {
  if (lengths.length === 0) throw wrong("examples", "at least one", 0);
  if (!isCount(options.batchSize)) throw wrong("batchSize", "a whole number from 1", options.batchSize);
  if (!isCount(options.windowBatches)) throw wrong("windowBatches", "a whole number from 1", options.windowBatches);
}

function checkCursor({ epoch, position }: DataCursor, batchesPerEpoch: number): void {
  const fits = Number.isSafeInteger(epoch) && epoch >= 0 && Number.isInteger(position) && position >= 0;
  if (fits && position <= batchesPerEpoch) return;
  throw new KvDistillError("bad-file", "the data cursor does not fit the data", {
    expected: `a position of 0 … ${batchesPerEpoch} batches`,
    got: `epoch ${epoch}, position ${position}`,
    hint: "resume with the data and batch size that the run began with",
  });
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 1;
}

function wrong(where: string, expected: string, got: number): KvDistillError {
  return new KvDistillError("bad-argument", "batches", { where, expected, got: String(got) });
}

import { createBatches, type DataCursor } from "../../data/batches.ts";
import type { ExampleSet } from "../../data/example-set.ts";
import { KvDistillError } from "../../util/errors.ts";
import type { TrainConfig } from "../config.ts";
import { readBatch, type StepBatch } from "../take-step.ts";
import { WINDOW_BATCHES } from "../trainer.ts";

/** Batches of a part, and where its data stands behind them. */
export interface PartBatches {
  readonly batches: readonly StepBatch[];
  readonly cursor: DataCursor;
}

/** @throws KvDistillError `bad-argument` when a part would have nothing to learn from */
export function checkParts({ count }: Pick<ExampleSet, "count">, { parts }: TrainConfig): void {
  if (parts <= count) return;
  throw new KvDistillError("bad-argument", "there are more parts than passages", {
    where: "parts",
    expected: `at most ${count}`,
    got: String(parts),
  });
}

/**
 * The next batches of a part. Every `parts`-th example is its own, from the part's number on; each part goes through them in an order of its
 * own, as a run on one machine goes through all. A part of one draws what that run draws.
 * @throws KvDistillError `bad-file` for a cursor that does not fit, and what `examples` throws
 */
export async function nextBatches(
  examples: ExampleSet,
  config: TrainConfig,
  part: number,
  cursor: DataCursor | undefined,
  steps: number,
): Promise<PartBatches> {
  const own = examples.lengths.map((_, index) => index).filter((index) => index % config.parts === part);
  const stream = createBatches(
    own.map((index) => examples.lengths[index] ?? 0),
    { batchSize: config.batch, windowBatches: WINDOW_BATCHES, seed: config.seed + part },
    cursor,
  );
  const batches: StepBatch[] = [];
  for (let step = 0; step < steps; step++) {
    const { epoch, examples: chosen } = stream.next();
    const indices = chosen.map((place) => own[place] ?? 0);
    batches.push(await readBatch(examples, config, epoch, indices));
  }
  return { batches, cursor: stream.cursor() };
}

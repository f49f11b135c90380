import { createBatches } from "../data/batches.ts";
import type { ExampleSet } from "../data/example-set.ts";
import { isKvDistillError } from "../util/errors.ts";
import type { StepGradients } from "./accumulate.ts";
import type { TrainingState } from "./checkpoint.ts";
import type { TrainConfig } from "./config.ts";
import type { NotFiniteReport } from "./not-finite.ts";
import { readBatch, type StepFacts, takeStep } from "./take-step.ts";

/** What is known after an optimiser step. */
export interface StepReport extends StepFacts {
  /** Counted from 1. */
  readonly step: number;
  readonly seconds: number;
  /** Resident memory of the process, in bytes. */
  readonly residentBytes: number;
}

export interface TrainerOptions {
  readonly gradients: StepGradients;
  readonly examples: ExampleSet;
  readonly config: TrainConfig;
  /** Continued in place. */
  readonly state: TrainingState;
  /** Stops after the step in progress, or before it when `gradients` gives it up with `cancelled`. */
  readonly signal?: AbortSignal;
  /** After every step; awaited, so it may save a checkpoint. */
  readonly onStep: (report: StepReport, state: TrainingState) => Promise<void>;
  /** Before a step with NaN or infinities is given up. */
  readonly onNotFinite?: (report: NotFiniteReport) => Promise<void>;
}

/** Batches sorted by length inside windows of this many. */
export const WINDOW_BATCHES = 16;

/**
 * Trains until `config.steps` or the signal. Every step is a function of the state alone, so a resumed run is the straight run.
 * @returns the last state
 * @throws KvDistillError `not-finite`, for loss and gradients before anything is changed, and what `gradients` and `examples` throw
 */
export async function train({
  gradients,
  examples,
  config,
  state,
  signal,
  onStep,
  onNotFinite,
}: TrainerOptions): Promise<TrainingState> {
  const stream = createBatches(
    examples.lengths,
    { batchSize: config.batch, windowBatches: WINDOW_BATCHES, seed: config.seed },
    state.cursor,
  );
  const { parameters, moments } = state;
  let now = state;
  while (now.step < config.steps && signal?.aborted !== true) {
    const begun = performance.now();
    const { epoch, examples: chosen } = stream.next();
    const batch = await readBatch(examples, config, epoch, chosen);
    const request = { gradients, config, parameters, moments, step: now.step, ...batch };
    let facts: StepFacts;
    try {
      facts = await takeStep({ ...request, ...(onNotFinite === undefined ? {} : { onNotFinite }) });
    } catch (error) {
      if (wasGivenUp(error, signal)) return now;
      throw error;
    }
    now = { step: now.step + 1, parameters, moments, cursor: stream.cursor() };
    const report = {
      step: now.step,
      ...facts,
      seconds: (performance.now() - begun) / 1000,
      residentBytes: process.memoryUsage.rss(),
    };
    await onStep(report, now);
  }
  return now;
}

/** Work that was stopped because the run was, and not for a fault. */
export function wasGivenUp(error: unknown, signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true && isKvDistillError(error) && error.code === "cancelled";
}

import { createBatches, type DataCursor, microBatches } from "../data/batches.ts";
import type { PassageExample } from "../data/examples.ts";
import { drawKeep } from "../data/keep-ratio.ts";
import { adamW, type Moments } from "./adamw.ts";
import { layOut } from "./batch.ts";
import type { TrainingState } from "./checkpoint.ts";
import { clipGradients } from "./clip.ts";
import type { TrainConfig } from "./config.ts";
import { addParameters, loadParameters, type Parameters, SCORER_PREFIX } from "./parameters.ts";
import { scheduleAt } from "./schedule.ts";
import type { StepEngine } from "./step/engine.ts";
import { gradientStep } from "./step/gradient-step.ts";

/** What is known after an optimiser step. */
export interface StepReport {
  /** Counted from 1. */
  readonly step: number;
  readonly epoch: number;
  readonly loss: number;
  readonly forwardKl: number;
  readonly reverseKl: number;
  /** Mean kept fraction of the step's passages. */
  readonly keep: number;
  readonly gradientNorm: number;
  readonly learningRate: number;
  /** Tokens read, padding not counted. */
  readonly tokens: number;
  readonly seconds: number;
}

export interface TrainerOptions {
  readonly engine: StepEngine;
  readonly examples: readonly PassageExample[];
  readonly config: TrainConfig;
  /** Continued in place. */
  readonly state: {
    readonly step: number;
    readonly parameters: Parameters;
    readonly moments: Moments;
    readonly cursor?: DataCursor;
  };
  /** Stops after the step in progress. */
  readonly signal?: AbortSignal;
  /** After every step; awaited, so it may save a checkpoint. */
  readonly onStep: (report: StepReport, state: TrainingState) => Promise<void>;
}

/** Batches sorted by length inside windows of this many. */
const WINDOW_BATCHES = 16;

/**
 * Trains until `config.steps` or the signal. Every step is a function of the state alone, so a resumed run is the straight run.
 * @returns the last state
 * @throws KvDistillError `not-finite` before anything is changed, and what the runtime throws
 */
export async function train({
  engine,
  examples,
  config,
  state,
  signal,
  onStep,
}: TrainerOptions): Promise<TrainingState> {
  const lengths = examples.map(
    ({ contextIds, turns }) => contextIds.length + turns.reduce((sum, turn) => sum + turn.questionIds.length, 0),
  );
  const stream = createBatches(
    lengths,
    { batchSize: config.batch, windowBatches: WINDOW_BATCHES, seed: config.seed },
    state.cursor,
  );
  const range = { distribution: config.keepDraw, low: config.keepLow, high: config.keepHigh };
  const { parameters, moments } = state;
  let step = state.step;
  while (step < config.steps && signal?.aborted !== true) {
    const begun = performance.now();
    const { epoch, examples: chosen } = stream.next();
    const items = chosen.flatMap((index) => {
      const passage = examples[index];
      return passage === undefined ? [] : [{ passage, keep: drawKeep(range, config.seed, epoch, index) }];
    });
    const result = await accumulate(engine, parameters, items, config.microBatch);
    const gradientNorm = clipGradients(result.gradients, config.clip);
    const factor = scheduleAt(step, {
      steps: config.steps,
      warmupSteps: config.warmupSteps,
      floor: config.learningRateFloor,
    });
    const rateOf = (name: string): number =>
      factor * (name.startsWith(SCORER_PREFIX) ? config.scorerLearningRate : config.learningRate);
    step++;
    adamW(parameters, moments, result.gradients, step, rateOf, config);
    const report = {
      step,
      epoch,
      loss: result.loss,
      forwardKl: result.forwardKl,
      reverseKl: result.reverseKl,
      keep: items.reduce((sum, { keep }) => sum + keep, 0) / items.length,
      gradientNorm,
      learningRate: factor * config.learningRate,
      tokens: result.tokens,
      seconds: (performance.now() - begun) / 1000,
    };
    await onStep(report, { step, parameters, moments, cursor: stream.cursor() });
  }
  return { step, parameters, moments, cursor: stream.cursor() };
}

interface Accumulated {
  readonly loss: number;
  readonly forwardKl: number;
  readonly reverseKl: number;
  readonly gradients: Parameters;
  readonly tokens: number;
}

/** Loss and gradients of one optimiser step, micro-batch by micro-batch. */
async function accumulate(
  engine: StepEngine,
  parameters: Parameters,
  items: readonly { readonly passage: PassageExample; readonly keep: number }[],
  microBatch: number,
): Promise<Accumulated> {
  const turnCount = items.reduce((sum, { passage }) => sum + passage.turns.length, 0);
  const loaded = await loadParameters(engine.runtime, parameters);
  let total: Accumulated = { loss: 0, forwardKl: 0, reverseKl: 0, gradients: new Map(), tokens: 0 };
  try {
    for (const { items: micro } of microBatches(items, microBatch)) {
      const batch = layOut(
        micro.map(({ passage }) => passage),
        turnCount,
      );
      const result = await gradientStep(
        engine,
        loaded,
        batch,
        micro.map(({ keep }) => keep),
      );
      total = {
        loss: total.loss + result.loss,
        forwardKl: total.forwardKl + result.forwardKl,
        reverseKl: total.reverseKl + result.reverseKl,
        gradients: addParameters(total.gradients, result.gradients),
        tokens: total.tokens + batch.tokens,
      };
    }
  } finally {
    loaded.release();
  }
  return total;
}

import { createBatches } from "../data/batches.ts";
import type { ExampleSet } from "../data/example-set.ts";
import { drawKeep } from "../data/keep-ratio.ts";
import { type Accumulated, accumulate, type TrainingItem } from "./accumulate.ts";
import { adamW } from "./adamw.ts";
import type { TrainingState } from "./checkpoint.ts";
import { clipGradients } from "./clip.ts";
import type { TrainConfig } from "./config.ts";
import { isNotFinite, type NotFiniteReport, notFiniteReport } from "./not-finite.ts";
import { SCORER_PREFIX } from "./parameters.ts";
import { scheduleAt } from "./schedule.ts";
import type { StepEngine } from "./step/engine.ts";

/** What is known after an optimiser step. */
export interface StepReport {
  /** Counted from 1. */
  readonly step: number;
  readonly epoch: number;
  readonly loss: number;
  readonly forwardKl: number;
  readonly reverseKl: number;
  /** Mean squared distance of the scores from what the questions attend to; 0 when that is not learned. */
  readonly scorerDistance: number;
  /** Mean kept fraction of the step's passages. */
  readonly keep: number;
  /** Before clipping. */
  readonly gradientNorm: number;
  readonly learningRate: number;
  /** Tokens read, padding not counted. */
  readonly tokens: number;
  readonly seconds: number;
  /** Resident memory of the process, in bytes. */
  readonly residentBytes: number;
}

export interface TrainerOptions {
  readonly engine: StepEngine;
  readonly examples: ExampleSet;
  readonly config: TrainConfig;
  /** Continued in place. */
  readonly state: TrainingState;
  /** Stops after the step in progress. */
  readonly signal?: AbortSignal;
  /** After every step; awaited, so it may save a checkpoint. */
  readonly onStep: (report: StepReport, state: TrainingState) => Promise<void>;
  /** Before a step with NaN or infinities is given up. */
  readonly onNotFinite?: (report: NotFiniteReport) => Promise<void>;
}

/** Batches sorted by length inside windows of this many. */
const WINDOW_BATCHES = 16;

/**
 * Trains until `config.steps` or the signal. Every step is a function of the state alone, so a resumed run is the straight run.
 * @returns the last state
 * @throws KvDistillError `not-finite`, for loss and gradients before anything is changed, and what the runtime and `examples` throw
 */
export async function train({
  engine,
  examples,
  config,
  state,
  signal,
  onStep,
  onNotFinite = () => Promise.resolve(),
}: TrainerOptions): Promise<TrainingState> {
  const stream = createBatches(
    examples.lengths,
    { batchSize: config.batch, windowBatches: WINDOW_BATCHES, seed: config.seed },
    state.cursor,
  );
  const range = { distribution: config.keepDraw, low: config.keepLow, high: config.keepHigh };
  const { parameters, moments } = state;
  let step = state.step;
  while (step < config.steps && signal?.aborted !== true) {
    const begun = performance.now();
    const { epoch, examples: chosen } = stream.next();
    const items: TrainingItem[] = [];
    for (const index of chosen) {
      items.push({ passage: await examples.read(index), keep: drawKeep(range, config.seed, epoch, index) });
    }
    const factor = scheduleAt(step, {
      steps: config.steps,
      warmupSteps: config.warmupSteps,
      floor: config.learningRateFloor,
    });
    const learningRate = factor * config.learningRate;
    const rateOf = (name: string): number =>
      name.startsWith(SCORER_PREFIX) ? factor * config.scorerLearningRate : learningRate;
    step++;
    let result: Accumulated | undefined;
    let gradientNorm: number;
    try {
      result = await accumulate(engine, parameters, items, config.microBatch);
      gradientNorm = clipGradients(result.gradients, config.clip);
      adamW(parameters, moments, result.gradients, step, rateOf, config);
    } catch (error) {
      if (isNotFinite(error)) {
        await onNotFinite(notFiniteReport(error, { step, epoch, learningRate, items, result, parameters, moments }));
      }
      throw error;
    }
    const report = {
      step,
      epoch,
      loss: result.loss,
      forwardKl: result.forwardKl,
      reverseKl: result.reverseKl,
      scorerDistance: result.scorerDistance,
      keep: items.reduce((sum, { keep }) => sum + keep, 0) / items.length,
      gradientNorm,
      learningRate,
      tokens: result.tokens,
      seconds: (performance.now() - begun) / 1000,
      residentBytes: process.memoryUsage.rss(),
    };
    await onStep(report, { step, parameters, moments, cursor: stream.cursor() });
  }
  return { step, parameters, moments, cursor: stream.cursor() };
}

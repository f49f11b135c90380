import type { ExampleSet } from "../data/example-set.ts";
import { drawKeep } from "../data/keep-ratio.ts";
import type { Accumulated, StepGradients, TrainingItem } from "./accumulate.ts";
import { adamW, type Moments } from "./adamw.ts";
import { clipGradients } from "./clip.ts";
import type { TrainConfig } from "./config.ts";
import { isNotFinite, type NotFiniteReport, notFiniteReport } from "./not-finite.ts";
import { type Parameters, SCORER_PREFIX } from "./parameters.ts";
import { scheduleAt } from "./schedule.ts";

/** The passages of an optimiser step. */
export interface StepBatch {
  readonly epoch: number;
  readonly items: readonly TrainingItem[];
}

export interface StepRequest extends StepBatch {
  readonly gradients: StepGradients;
  readonly config: TrainConfig;
  /** Changed in place. */
  readonly parameters: Parameters;
  readonly moments: Moments;
  /** The run's steps before this one: the learning rate follows them. */
  readonly step: number;
  /** Steps that the moments have seen, when other than the run's. */
  readonly momentSteps?: number;
  /** Before a step with NaN or infinities is given up. */
  readonly onNotFinite?: (report: NotFiniteReport) => Promise<void>;
}

/** What is known of an optimiser step, but for time and memory. */
export interface StepFacts {
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
}

/**
 * Reads the passages of a batch and draws the fraction of each that is kept.
 * @param chosen indices of the examples
 */
export async function readBatch(
  examples: ExampleSet,
  { keepDraw, keepLow, keepHigh, seed }: TrainConfig,
  epoch: number,
  chosen: readonly number[],
): Promise<StepBatch> {
  const range = { distribution: keepDraw, low: keepLow, high: keepHigh };
  const items: TrainingItem[] = [];
  for (const index of chosen) {
    items.push({ passage: await examples.read(index), keep: drawKeep(range, seed, epoch, index) });
  }
  return { epoch, items };
}

/**
 * Gradients, clipping, AdamW.
 * @throws KvDistillError `not-finite`, for loss and gradients before anything is changed, and what `gradients` throws
 */
export async function takeStep({
  gradients,
  config,
  parameters,
  moments,
  step,
  momentSteps = step,
  epoch,
  items,
  onNotFinite,
}: StepRequest): Promise<StepFacts> {
  const factor = scheduleAt(step, {
    steps: config.steps,
    warmupSteps: config.warmupSteps,
    floor: config.learningRateFloor,
  });
  const learningRate = factor * config.learningRate;
  const rateOf = (name: string): number =>
    name.startsWith(SCORER_PREFIX) ? factor * config.scorerLearningRate : learningRate;
  let result: Accumulated | undefined;
  let gradientNorm: number;
  try {
    result = await gradients(parameters, items, config.microBatch);
    gradientNorm = clipGradients(result.gradients, config.clip);
    adamW(parameters, moments, result.gradients, momentSteps + 1, rateOf, config);
  } catch (error) {
    if (isNotFinite(error)) {
      const failed = { step: step + 1, epoch, learningRate, items, result, parameters, moments };
      await onNotFinite?.(notFiniteReport(error, failed));
    }
    throw error;
  }
  return {
    epoch,
    loss: result.loss,
    forwardKl: result.forwardKl,
    reverseKl: result.reverseKl,
    scorerDistance: result.scorerDistance,
    keep: items.reduce((sum, { keep }) => sum + keep, 0) / items.length,
    gradientNorm,
    learningRate,
    tokens: result.tokens,
  };
}

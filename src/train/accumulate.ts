import { microBatches } from "../data/batches.ts";
import type { PassageExample } from "../data/examples.ts";
import { layOut } from "./batch.ts";
import { addParameters, type LoadedParameters, loadParameters, type Parameters } from "./parameters.ts";
import type { StepEngine } from "./step/engine.ts";
import { gradientStep } from "./step/gradient-step.ts";

/** A passage of an optimiser step and the fraction of it that is kept. */
export interface TrainingItem {
  readonly passage: PassageExample;
  readonly keep: number;
}

/** Loss and gradients of one optimiser step. */
export interface Accumulated {
  readonly loss: number;
  readonly forwardKl: number;
  readonly reverseKl: number;
  /** Mean squared distance of the scores from what the questions attend to; 0 when that is not learned. */
  readonly scorerDistance: number;
  readonly gradients: Parameters;
  /** Tokens read, padding not counted. */
  readonly tokens: number;
}

/** Loss and gradients of an optimiser step, wherever they are computed. */
export type StepGradients = (
  parameters: Parameters,
  items: readonly TrainingItem[],
  microBatch: number,
) => Promise<Accumulated>;

/** What micro-batches are added to, one after the other in their order: sums of float32 depend on it. */
export const NOTHING: Accumulated = {
  loss: 0,
  forwardKl: 0,
  reverseKl: 0,
  scorerDistance: 0,
  gradients: new Map(),
  tokens: 0,
};

/** a + b. */
export function addUp(a: Accumulated, b: Accumulated): Accumulated {
  return {
    loss: a.loss + b.loss,
    forwardKl: a.forwardKl + b.forwardKl,
    reverseKl: a.reverseKl + b.reverseKl,
    scorerDistance: a.scorerDistance + b.scorerDistance,
    gradients: addParameters(a.gradients, b.gradients),
    tokens: a.tokens + b.tokens,
  };
}

/** Questions and reconstructions of an optimiser step: each weighs the same. */
export function countTurns(items: readonly TrainingItem[]): number {
  return items.reduce((sum, { passage }) => sum + passage.turns.length, 0);
}

/** The passages of an optimiser step in micro-batches: those of like length together, which pads little. */
export function splitStep(items: readonly TrainingItem[], microBatch: number): TrainingItem[][] {
  const length = ({ passage }: TrainingItem): number => passage.contextIds.length;
  return microBatches(
    [...items].sort((a, b) => length(a) - length(b)),
    microBatch,
  );
}

/**
 * The part of a step's loss and gradients that some of its passages have.
 * @param turnCount turns of the whole step
 * @throws KvDistillError `not-finite` and what the runtime throws
 */
export async function microBatchGradients(
  engine: StepEngine,
  loaded: LoadedParameters,
  items: readonly TrainingItem[],
  turnCount: number,
): Promise<Accumulated> {
  const batch = layOut(
    items.map(({ passage }) => passage),
    turnCount,
  );
  const { loss, forwardKl, reverseKl, scorerDistance, gradients } = await gradientStep(
    engine,
    loaded,
    batch,
    items.map(({ keep }) => keep),
  );
  // Sums over all gradients are taken in the order of their names, which files keep.
  const ordered = new Map([...gradients].sort(([a], [b]) => (a < b ? -1 : 1)));
  return { loss, forwardKl, reverseKl, scorerDistance, gradients: ordered, tokens: batch.tokens };
}

/**
 * Computes an optimiser step `microBatch` passages at a time. Every turn weighs the same, in whichever micro-batch it stands, so size and order
 * change memory and speed and nothing else, rounding aside.
 * @throws KvDistillError `not-finite` and what the runtime throws
 */
export async function accumulate(
  engine: StepEngine,
  parameters: Parameters,
  items: readonly TrainingItem[],
  microBatch: number,
): Promise<Accumulated> {
  const turnCount = countTurns(items);
  const loaded = await loadParameters(engine.runtime, parameters);
  let total = NOTHING;
  try {
    for (const micro of splitStep(items, microBatch)) {
      total = addUp(total, await microBatchGradients(engine, loaded, micro, turnCount));
    }
  } finally {
    loaded.release();
  }
  return total;
}

/** Gradients that are computed in this process. */
export function gradientsOn(engine: StepEngine): StepGradients {
  return (parameters, items, microBatch) => accumulate(engine, parameters, items, microBatch);
}

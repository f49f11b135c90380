import { microBatches } from "../data/batches.ts";
import type { PassageExample } from "../data/examples.ts";
import { layOut } from "./batch.ts";
import { addParameters, loadParameters, type Parameters } from "./parameters.ts";
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

/**
 * Computes an optimiser step `microBatch` passages at a time, those of like length together: less padding. Every turn weighs the same, in
 * whichever micro-batch it stands, so size and order change memory and speed and nothing else, rounding aside.
 * @throws KvDistillError `not-finite` and what the runtime throws
 */
export async function accumulate(
  engine: StepEngine,
  parameters: Parameters,
  items: readonly TrainingItem[],
  microBatch: number,
): Promise<Accumulated> {
  const turnCount = items.reduce((sum, { passage }) => sum + passage.turns.length, 0);
  const loaded = await loadParameters(engine.runtime, parameters);
  let total: Accumulated = { loss: 0, forwardKl: 0, reverseKl: 0, scorerDistance: 0, gradients: new Map(), tokens: 0 };
  const byLength = [...items].sort((a, b) => a.passage.contextIds.length - b.passage.contextIds.length);
  try {
    for (const { items: micro } of microBatches(byLength, microBatch)) {
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
        scorerDistance: total.scorerDistance + result.scorerDistance,
        gradients: addParameters(total.gradients, result.gradients),
        tokens: total.tokens + batch.tokens,
      };
    }
  } finally {
    loaded.release();
  }
  return total;
}

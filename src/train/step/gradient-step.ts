import type { TokenSelection } from "../../compress/select.ts";
import { residentOf } from "../../runtime/feeding.ts";
import { asDType, type Tensor, tensor } from "../../tensor/tensor.ts";
import type { TrainingBatch } from "../batch.ts";
import { type LoadedParameters, type Parameters, SCORER_PREFIX } from "../parameters.ts";
import { scoreColumnsOf, type StepEngine } from "./engine.ts";
import { FoldLayout } from "./fold-layout.ts";
import { prepareInputs } from "./inputs.ts";
import { lossAndGradient } from "./loss.ts";
import { type ScorerLoss, scorerLoss } from "./scorer-loss.ts";
import { scoreGradient, select } from "./selection.ts";
import { runStudent } from "./student.ts";
import { Tape } from "./tape.ts";
import { encodedHidden, runTeacher } from "./teacher.ts";

export interface StepResult {
  readonly loss: number;
  /** Weighted by the batch's answer weights. */
  readonly forwardKl: number;
  readonly reverseKl: number;
  /** See `ScorerLoss`; 0 when the scorer learns through its gates alone. */
  readonly scorerDistance: number;
  readonly gradients: Parameters;
  /** What was kept of every passage. */
  readonly kept: readonly TokenSelection[];
}

const NONE: ScorerLoss = { distance: 0, gradient: new Float32Array() };

/**
 * Loss and gradients of one micro-batch (METHOD sections 1 to 6): the teacher reads the full contexts, the scorer selects, the adapted
 * model encodes, the frozen model reads the kept rows, and the divergence flows back through reader, cache, gates, encoder and scorer.
 * @param keep kept fraction of each passage
 */
export async function gradientStep(
  engine: StepEngine,
  parameters: LoadedParameters,
  batch: TrainingBatch,
  keep: readonly number[],
): Promise<StepResult> {
  const { programs, settings } = engine;
  const layout = new FoldLayout(batch, settings);
  const inputs = await prepareInputs(engine, batch, layout, keep);
  const scoring = new Tape();
  const teacher = await runTeacher(engine, batch, inputs);
  const hidden = layout.isWhole ? teacher.hidden : await encodedHidden(engine, inputs);
  const scored = residentOf(
    await scoring.forward(programs.scorer, { ...parameters.scorer, hidden }, ["scores"]),
    "scores",
  );
  const columns = scoreColumnsOf(settings, engine.config);
  const scores = layout.toContexts(asDType(await engine.runtime.download(scored), "float32").data, columns);
  scored.release();
  const selection = select(batch, engine.config, scores, keep, settings, layout);
  const student = await runStudent(engine, batch, inputs, parameters, selection);
  try {
    const { gradient, ...losses } = await lossAndGradient(engine, batch, teacher.reader, student.reader);
    const flowed = await student.backward(gradient);
    const dScores = scoreGradient(batch, engine.config, selection, scores, flowed.gates, settings);
    const scorer =
      settings.scorerLoss > 0 ? scorerLoss(batch, engine.config, scores, teacher.attention, settings) : NONE;
    scorer.gradient.forEach((d, i) => (dScores.data[i] = (dScores.data[i] ?? 0) + d));
    const dFolds = layout.toFolds(dScores.data, columns);
    const seeds = { "d.scores": tensor("float32", [dFolds.length / columns, columns], dFolds) };
    const { outputs } = await scoring.backward(seeds, []);
    return {
      ...losses,
      scorerDistance: scorer.distance,
      gradients: new Map([...flowed.parameters, ...scorerGradients(outputs)]),
      kept: selection.passages,
    };
  } finally {
    student.release();
    scoring.release();
    for (const own of new Set([hidden, teacher.hidden])) {
      if (own !== inputs.contextX && own !== inputs.encoded.x) own.release();
    }
    inputs.release();
  }
}

function scorerGradients(outputs: Readonly<Record<string, Tensor>>): (readonly [string, Tensor<"float32">])[] {
  return Object.entries(outputs).map(
    ([name, value]) => [SCORER_PREFIX + name.slice("d.".length), asDType(value, "float32")] as const,
  );
}

import { FOLD_TOKENS } from "../../compress/fold.ts";
import { usualScorer } from "../../compress/scorer.ts";
import { USUAL_CHOICES } from "../../cache/adapter.ts";
import { loadAdapter } from "../../cache/load-adapter.ts";
import type { PassageExample } from "../../data/examples.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import { accumulate } from "../../train/accumulate.ts";
import { adamW, type Moments, zeroMoments } from "../../train/adamw.ts";
import { clipGradients } from "../../train/clip.ts";
import { parametersOf } from "../../train/new-parameters.ts";
import type { Parameters } from "../../train/parameters.ts";
import type { StepEngine } from "../../train/step/engine.ts";
import { eightBitLayers } from "../../train/step/eight-bit-layers.ts";
import { exactEightBits } from "../../models/precision/probe-products.ts";
import { loadTrainingPrograms } from "../../train/step/programs.ts";
import { loadTrainingWeights } from "../../train/step/weights.ts";
import { STEP_OPTIMISER } from "../step-settings.ts";
import type { TrainRequest, Triple } from "../sides/protocol.ts";
import type { Done, Measure } from "../sides/serve.ts";

/** A training run that goes on step by step. */
export interface TrainingSide {
  step(request: TrainRequest, measure: Measure): Promise<Done>;
}

/** Loads graphs, weights and the parameters to start from: the method as the paper has it, one selection for all heads. */
export async function trainingSide(
  { runtime, files, precision }: LanguageModel,
  { start, rank, alpha, eta, sinks, lambda }: TrainRequest,
): Promise<TrainingSide> {
  const parameters = parametersOf(await loadAdapter(start, { expectModel: files }));
  const moments = zeroMoments(parameters);
  const shape = { rank, scale: alpha / Math.sqrt(rank) };
  const eightBits = precision === "int8" ? eightBitLayers(files.config, await exactEightBits(runtime)) : undefined;
  const engine: StepEngine = {
    runtime,
    config: files.config,
    programs: await loadTrainingPrograms(runtime, files.config, shape, lambda, usualScorer(files.config, 1), {
      eightBits,
    }),
    weights: await loadTrainingWeights(runtime, files, eightBits),
    settings: {
      eta,
      sinks,
      gate: "sigmoid",
      selection: "shared",
      scorerLoss: 0,
      scorerProbes: "questions",
      foldTokens: FOLD_TOKENS,
      ...USUAL_CHOICES,
    },
  };
  let done = 0;
  return {
    step: async (request, measure) => {
      done++;
      const { value, seconds } = await measure(() =>
        optimiserStep(engine, { parameters, moments, step: done }, request),
      );
      return { seconds, tokens: tokensOf(request.triples), check: { loss: value } };
    },
  };
}

interface State {
  readonly parameters: Parameters;
  readonly moments: Moments;
  readonly step: number;
}

async function optimiserStep(
  engine: StepEngine,
  { parameters, moments, step }: State,
  { triples, keep, learningRate, microBatch }: TrainRequest,
): Promise<number> {
  const items = triples.map((triple, i) => ({ passage: passageOf(triple, i), keep }));
  const { loss, gradients } = await accumulate(engine, parameters, items, microBatch);
  clipGradients(gradients, STEP_OPTIMISER.clip);
  adamW(parameters, moments, gradients, step, () => learningRate, STEP_OPTIMISER);
  return loss;
}

function passageOf({ context_ids, question_ids, answer_ids }: Triple, i: number): PassageExample {
  const turn = { kind: "question" as const, questionIds: question_ids, answerIds: answer_ids };
  return { id: String(i), source: "bench", contextIds: context_ids, turns: [turn] };
}

const tokensOf = (triples: readonly Triple[]): number =>
  triples.reduce((sum, t) => sum + t.context_ids.length + t.question_ids.length + t.answer_ids.length, 0);

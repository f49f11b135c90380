import type { ExampleSet } from "../../data/example-set.ts";
import { LanguageModel } from "../../models/language-model.ts";
import type { ModelFiles } from "../../models/model-files.ts";
import { createRuntime } from "../../runtime/runtime.ts";
import { KvDistillError } from "../../util/errors.ts";
import { randomFromSeed } from "../../util/random.ts";
import type { TrainConfig } from "../config.ts";
import type { Parameters } from "../parameters.ts";
import { scorerShapeFor } from "../step/engine.ts";
import { calibrateScorer } from "./calibrate.ts";
import { fitScorer } from "./fit.ts";
import { type ScorerSample, scorerSample } from "./targets.ts";

export interface ScorerStartOptions {
  readonly files: ModelFiles;
  readonly examples: ExampleSet;
  readonly config: TrainConfig;
  /** The parameters' scorer has learnt something: it is calibrated before it is fitted. */
  readonly learnt: boolean;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  /** After each passage that was read. */
  readonly onPassage?: (done: number, total: number) => void;
  readonly onNote?: (line: string) => void;
}

/** Stream of the seed that chooses passages: other draws of a run do not change with it. */
const CHOICE_STREAM = 2;

/**
 * Fits the parameters' scorer to what the turns of some passages attend to, in place: a scorer that learns through its gates alone
 * selects badly for a long time.
 * @throws KvDistillError `cancelled`, and what the engine throws
 */
export async function startScorer(
  parameters: Parameters,
  { files, examples, config, learnt, threads, signal, onPassage, onNote }: ScorerStartOptions,
): Promise<void> {
  const chosen = randomFromSeed(config.seed, CHOICE_STREAM)
    .shuffle(Array.from({ length: examples.count }, (_, index) => index))
    .slice(0, config.scorerPassages);
  const runtime = await createRuntime(threads === undefined ? {} : { threads });
  try {
    const model = new LanguageModel(files, runtime);
    const samples: ScorerSample[] = [];
    for (const index of chosen) {
      if (signal?.aborted === true)
        throw new KvDistillError("cancelled", "the training was stopped before its first step");
      const { contextIds, turns } = await examples.read(index);
      const probes = turns
        .filter(({ kind }) => config.scorerProbes === "turns" || kind === "question")
        .map(({ questionIds, answerIds }) => [...questionIds, ...answerIds]);
      samples.push(await scorerSample(model, { ...config, contextIds, probes }));
      onPassage?.(samples.length, chosen.length);
    }
    const shape = scorerShapeFor(config, files.config);
    if (learnt) await calibrateScorer(runtime, parameters, samples, shape);
    const distance = await fitScorer(runtime, parameters, samples, {
      shape,
      epochs: config.scorerEpochs,
      learningRate: config.scorerFitLearningRate,
      seed: config.seed,
    });
    onNote?.(
      `scorer fitted to ${samples.length} passages: ${(100 * (1 - distance)).toFixed(1)} % of the variance explained`,
    );
  } finally {
    await runtime.close();
  }
}

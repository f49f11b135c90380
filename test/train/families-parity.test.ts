import { usualScorer } from "../../src/compress/scorer.ts";
import { FOLD_TOKENS } from "../../src/compress/fold.ts";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AdapterSelection, USUAL_CHOICES } from "../../src/cache/adapter.ts";
import type { Gate } from "../../src/compress/gate.ts";
import { openSafetensors } from "../../src/formats/safetensors/open.ts";
import { findEntry } from "../../src/formats/safetensors/decode.ts";
import { readTensorFloats } from "../../src/formats/safetensors/read.ts";
import type { ModelFiles } from "../../src/models/model-files.ts";
import { openModel } from "../../src/models/open.ts";
import { createRuntime, type Runtime } from "../../src/runtime/runtime.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { layOut, type TrainingPassage } from "../../src/train/batch.ts";
import { addParameters, loadParameters, type Parameters } from "../../src/train/parameters.ts";
import { scoreColumnsOf, type StepEngine, type StepSettings } from "../../src/train/step/engine.ts";
import { gradientStep, type StepResult } from "../../src/train/step/gradient-step.ts";
import { loadTrainingPrograms } from "../../src/train/step/programs.ts";
import { loadTrainingWeights } from "../../src/train/step/weights.ts";
import { useTempHome } from "../models/temp-home.ts";
import { tinyModel as ggufModel } from "../models/tiny-models.ts";
import { expectGradients, expectLosses, type Losses } from "./compare-gradients.ts";
import { tinyModel } from "./tiny-model.ts";

/** A case of test/golden/training-families/make.py: what was asked and what PyTorch found. */
interface Case extends Losses {
  readonly model: string;
  readonly eta: number;
  readonly sinks: number;
  readonly gate: Gate;
  readonly selection: AdapterSelection;
  readonly lambda: number;
  readonly rank: number;
  readonly alpha: number;
  /** Of every passage. */
  readonly keep: readonly number[];
  readonly passages: readonly TrainingPassage[];
  readonly kept: readonly { readonly entries: readonly number[][]; readonly routed: readonly number[] }[];
}

const golden = (name: string): string => fileURLToPath(new URL(`../golden/training-families/${name}`, import.meta.url));
const cases = Object.entries(JSON.parse(readFileSync(golden("cases.json"), "utf8")) as Record<string, Case>);

useTempHome();
let runtime: Runtime;
beforeAll(async () => {
  runtime = await createRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

async function readParameters(path: string): Promise<Parameters> {
  const file = await openSafetensors(golden(path));
  const found = new Map<string, Tensor<"float32">>();
  for (const name of file.entries.keys()) {
    const entry = findEntry(file, name);
    found.set(name, tensor("float32", entry.shape, await readTensorFloats(entry)));
  }
  return found;
}

function filesOf(model: string): Promise<ModelFiles> {
  const name = basename(model);
  return model.includes("gguf-models") ? openModel(ggufModel(name)) : tinyModel(name);
}

async function engineOf({ model, eta, sinks, gate, selection, lambda, rank, alpha }: Case): Promise<StepEngine> {
  const files = await filesOf(model);
  const { config } = files;
  const settings: StepSettings = {
    eta,
    sinks,
    gate,
    selection,
    scorerLoss: 0,
    scorerProbes: "questions",
    foldTokens: FOLD_TOKENS,
    ...USUAL_CHOICES,
  };
  const shape = { rank, scale: alpha / Math.sqrt(rank) };
  return {
    runtime,
    config,
    programs: await loadTrainingPrograms(
      runtime,
      config,
      shape,
      lambda,
      usualScorer(config, scoreColumnsOf(settings, config)),
    ),
    weights: await loadTrainingWeights(runtime, files),
    settings,
  };
}

describe.each(cases)("a training step of %s against PyTorch", (name, asked) => {
  test("losses, kept tokens and every gradient are equal", async () => {
    const engine = await engineOf(asked);
    const loaded = await loadParameters(runtime, await readParameters(`parameters/${name}.safetensors`));
    const { passages, keep } = asked;
    const turns = passages.flatMap((passage) => passage.turns).length;
    const whole = await gradientStep(engine, loaded, layOut(passages, turns), keep);
    const wanted = await readParameters(`gradients/${name}.safetensors`);
    const lists = ({ kept }: StepResult) =>
      kept.map((one) => ({ entries: one.kept.map((list) => [...list]), routed: [...one.routed] }));
    expect(lists(whole)).toEqual(asked.kept);
    expectLosses(whole, asked, 1e-5);
    // The output map of the last layer never reaches the cache; of Llama's neither does the query map, GPT-2 has one map for all three.
    const zeros = engine.config.family === "gpt2" ? 2 : 4;
    expectGradients(whole.gradients, wanted, zeros);

    // Passage by passage, without padding, the sum is the same.
    const parts: StepResult[] = [];
    for (const [i, passage] of passages.entries()) {
      parts.push(await gradientStep(engine, loaded, layOut([passage], turns), [keep[i] ?? 1]));
    }
    const sum = (pick: (part: StepResult) => number): number => parts.reduce((total, part) => total + pick(part), 0);
    const losses = { loss: sum((p) => p.loss), forwardKl: sum((p) => p.forwardKl), reverseKl: sum((p) => p.reverseKl) };
    expectLosses(losses, asked, 1e-5);
    expectGradients(
      parts.map(({ gradients }) => gradients).reduce((a, b) => addParameters(a, b)),
      wanted,
      zeros,
    );
    loaded.release();
    engine.weights.release();
  });
});

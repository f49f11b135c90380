import { USUAL_CHOICES } from "../../src/cache/adapter.ts";
import { usualScorer } from "../../src/compress/scorer.ts";
import { FOLD_TOKENS } from "../../src/compress/fold.ts";
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRuntime, type Runtime } from "../../src/runtime/runtime.ts";
import { layOut } from "../../src/train/batch.ts";
import { loadParameters, type Parameters } from "../../src/train/parameters.ts";
import type { StepEngine } from "../../src/train/step/engine.ts";
import { gradientStep, type StepResult } from "../../src/train/step/gradient-step.ts";
import { loadTrainingPrograms } from "../../src/train/step/programs.ts";
import { loadTrainingWeights } from "../../src/train/step/weights.ts";
import { expectGradients, expectLosses, type Losses } from "./compare-gradients.ts";
import { golden, readParameters, readTriples, tinyModel } from "./tiny-model.ts";

const LAMBDA = 0.6;
const KEEP = 0.4;
let runtime: Runtime;
let engine: StepEngine;
let parameters: Parameters;

beforeAll(async () => {
  runtime = await createRuntime();
  const files = await tinyModel("llama");
  parameters = new Map([
    ...(await readParameters("adapter/adapter_model.safetensors")),
    ...(await readParameters("adapter/scorer.safetensors")),
  ]);
  engine = {
    runtime,
    config: files.config,
    programs: await loadTrainingPrograms(
      runtime,
      files.config,
      { rank: 4, scale: 16 / Math.sqrt(4) },
      LAMBDA,
      usualScorer(files.config, 1),
    ),
    weights: await loadTrainingWeights(runtime, files),
    settings: {
      eta: 2,
      sinks: 4,
      gate: "sigmoid",
      selection: "shared",
      scorerLoss: 0,
      scorerProbes: "questions",
      foldTokens: FOLD_TOKENS,
      ...USUAL_CHOICES,
    },
  };
});
afterAll(() => runtime.close());

async function step(): Promise<StepResult> {
  const passages = await readTriples();
  const loaded = await loadParameters(runtime, parameters);
  const batch = layOut(passages, passages.length);
  return gradientStep(
    engine,
    loaded,
    batch,
    passages.map(() => KEEP),
  );
}

describe("one training step against the PyTorch reference", () => {
  test("loss, divergences and kept tokens are equal", async () => {
    const wanted = JSON.parse(await readFile(golden("loss.json"), "utf8")) as Losses & { readonly kept: number[][] };
    const result = await step();
    expect(result.kept.map(({ kept, routed }) => [...kept, routed].map((positions) => [...positions]))).toEqual(
      wanted.kept.map((positions) => [positions, positions]),
    );
    expectLosses(result, wanted, 1e-5);
  });

  test("every gradient is equal", async () => {
    const { gradients } = await step();
    // Queries and outputs of the last layer never reach the cache; everything else has a gradient.
    expectGradients(gradients, await readParameters("gradients.safetensors"), 4);
  });
});

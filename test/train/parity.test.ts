import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRuntime, type Runtime } from "../../src/runtime/runtime.ts";
import { layOut } from "../../src/train/batch.ts";
import { loadParameters, type Parameters } from "../../src/train/parameters.ts";
import type { StepEngine } from "../../src/train/step/engine.ts";
import { gradientStep, type StepResult } from "../../src/train/step/gradient-step.ts";
import { loadTrainingPrograms } from "../../src/train/step/programs.ts";
import { loadTrainingWeights } from "../../src/train/step/weights.ts";
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
    programs: await loadTrainingPrograms(runtime, files.config, { rank: 4, scale: 16 / Math.sqrt(4) }, LAMBDA, 1),
    weights: await loadTrainingWeights(runtime, files),
    settings: { eta: 2, sinks: 4, gate: "sigmoid", selection: "shared" },
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
    const wanted = JSON.parse(await readFile(golden("loss.json"), "utf8")) as {
      loss: number;
      forwardKl: number;
      reverseKl: number;
      kept: number[][];
    };
    const result = await step();
    expect(result.kept.map(({ routed }) => [...routed])).toEqual(wanted.kept);
    expect(Math.abs(result.loss / wanted.loss - 1)).toBeLessThan(1e-5);
    expect(Math.abs(result.forwardKl / wanted.forwardKl - 1)).toBeLessThan(1e-5);
    expect(Math.abs(result.reverseKl / wanted.reverseKl - 1)).toBeLessThan(1e-5);
  });

  test("every gradient is equal", async () => {
    const wanted = await readParameters("gradients.safetensors");
    const { gradients } = await step();
    const worst: string[] = [];
    let compared = 0;
    for (const [name, { data }] of wanted) {
      const norm = Math.hypot(...data);
      const got = gradients.get(name)?.data ?? new Float32Array(data.length);
      const distance = Math.hypot(...data.map((value, i) => value - (got[i] ?? NaN)));
      if (norm > 0) compared++;
      if (!(distance <= 1e-3 * norm)) worst.push(`${name}: |difference| ${distance}, |gradient| ${norm}`);
    }
    expect(worst).toEqual([]);
    // Queries and outputs of the last layer never reach the cache; everything else has a gradient.
    expect(compared).toBe(wanted.size - 4);
  });
});

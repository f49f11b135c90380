import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ModelFiles } from "../../src/models/model-files.ts";
import { parseTrainConfig, type TrainConfig } from "../../src/train/config.ts";
import type { TrainingRunOptions } from "../../src/train/run.ts";
import { editJson, rewrite, tinyModel } from "../models/tiny-models.ts";

/** A copy of the tiny Llama in float32 that takes contexts of 512 tokens. */
export async function writeTinyLlama(folder: string): Promise<string> {
  const path = await rewrite(tinyModel("llama"), join(folder, "llama"));
  await editJson(join(path, "config.json"), (config) => (config.max_position_embeddings = 512));
  return path;
}

const PLACES = ["Lisbon", "Oslo", "Quito", "Hanoi", "Perth", "Turin", "Leeds", "Dakar", "Osaka", "Bern"];

/** Ten short passages of unequal length with a question or two each. */
export async function writeTinyData(folder: string): Promise<string> {
  const rows = PLACES.flatMap((place, i) => {
    const context = `${place} was built ${i + 3} years ago. `.repeat(1 + (i % 3)).trim();
    const first = { id: `${place}-1`, context, question: "Which place?", answers: [place] };
    return i % 2 === 0 ? [first] : [first, { ...first, id: `${place}-2`, question: "When?", answers: [`${i + 3}`] }];
  });
  const path = join(folder, "data.jsonl");
  await writeFile(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return path;
}

export const tinyConfig = (changes: Partial<TrainConfig> = {}): TrainConfig =>
  parseTrainConfig({
    steps: 6,
    batch: 3,
    microBatch: 3,
    rank: 2,
    eta: 1,
    sinks: 2,
    minContext: 4,
    reconstruction: 6,
    warmupSteps: 2,
    learningRate: 0.01,
    scorerLearningRate: 0.01,
    seed: 3,
    ...changes,
  });

export function runOptions(
  files: ModelFiles,
  data: string,
  out: string,
  changes: Partial<TrainingRunOptions> = {},
): TrainingRunOptions {
  return { files, data: [data], out, config: tinyConfig(), resume: false, checkpointEvery: 2, threads: 1, ...changes };
}

/** What a run leaves behind, without what a clock or the machine decides. */
export async function readRun(
  out: string,
  step: number,
): Promise<{ state: Buffer; metrics: Record<string, unknown>[] }> {
  const state = await readFile(join(out, "checkpoints", `step-${step}`, "state.safetensors"));
  const text = await readFile(join(out, "metrics.jsonl"), "utf8");
  const metrics = text
    .trim()
    .split("\n")
    .map((line) => {
      const { seconds, residentBytes, ...rest } = JSON.parse(line) as Record<string, unknown>;
      if (!(Number(seconds) > 0 && Number(residentBytes) > 0)) throw new Error(`no time or memory in ${line}`);
      return rest;
    });
  return { state, metrics };
}

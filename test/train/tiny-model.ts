import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { openSafetensors } from "../../src/formats/safetensors/open.ts";
import { findEntry } from "../../src/formats/safetensors/decode.ts";
import { readTensorFloats } from "../../src/formats/safetensors/read.ts";
import { readModelConfig } from "../../src/models/read-config.ts";
import type { ModelFiles } from "../../src/models/model-files.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import type { Parameters } from "../../src/train/parameters.ts";
import type { TrainingPassage } from "../../src/train/batch.ts";

export const golden = (name: string): string => fileURLToPath(new URL(`../golden/training/${name}`, import.meta.url));

/** A checkpoint without a tokenizer, as training sees it. */
export async function tinyModel(folder: string): Promise<ModelFiles> {
  const json: unknown = JSON.parse(await readFile(golden(`${folder}/config.json`), "utf8"));
  const { entries } = await openSafetensors(golden(`${folder}/model.safetensors`));
  const weights = new Map(
    [...entries].map(([name, { file, offset, shape }]) => [name, { file, offset, dims: shape }] as const),
  );
  const config = readModelConfig(json, folder);
  return {
    name: folder,
    folder: golden(folder),
    config,
    weights,
    hash: "",
    tokenizerHash: "",
    chatTemplate: undefined,
  } as unknown as ModelFiles;
}

/** Tensors of a file under the names that training gives them. */
export async function readParameters(path: string): Promise<Parameters> {
  const file = await openSafetensors(golden(path));
  const found = new Map<string, Parameters extends ReadonlyMap<string, infer T> ? T : never>();
  for (const name of file.entries.keys()) {
    const entry = findEntry(file, name);
    found.set(parameterName(name), tensor("float32", entry.shape, await readTensorFloats(entry)));
  }
  return found;
}

function parameterName(name: string): string {
  const lora = /layers\.(\d+)\.(.*)\.lora_([AB])\.weight$/.exec(name);
  return lora === null ? `scorer.${name}` : `layers.${lora[1]}.${lora[2]}.lora_${lora[3]}`;
}

export async function readTriples(): Promise<TrainingPassage[]> {
  const lines = (await readFile(golden("triples.jsonl"), "utf8")).trim().split("\n");
  return lines.map((line) => {
    const row = JSON.parse(line) as Record<"context_ids" | "question_ids" | "answer_ids", number[]>;
    return { contextIds: row.context_ids, turns: [{ questionIds: row.question_ids, answerIds: row.answer_ids }] };
  });
}

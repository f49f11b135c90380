import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { floatTensor, type FloatStorage } from "../../src/formats/safetensors/float-tensor.ts";
import { readTensorFloats } from "../../src/formats/safetensors/read.ts";
import { openSafetensorsFolder } from "../../src/formats/safetensors/sharded.ts";
import { writeSafetensors } from "../../src/formats/safetensors/write.ts";

/** The tiny models of test/golden/gguf-models. */
export const TINY_MODELS = ["llama", "llama-bias", "llama3", "linear", "mistral", "qwen2", "qwen3", "gpt2"] as const;

export function tinyModel(name: string): string {
  return fileURLToPath(new URL(`../golden/gguf-models/${name}`, import.meta.url));
}

/** One tensor of a model in memory. */
export interface FloatWeight {
  readonly dims: readonly number[];
  readonly values: Float32Array;
}

/** All tensors of a model folder as float32. */
export async function readAll(folder: string): Promise<Map<string, FloatWeight>> {
  const weights = new Map<string, FloatWeight>();
  for (const [name, entry] of await openSafetensorsFolder(folder)) {
    weights.set(name, { dims: entry.shape, values: await readTensorFloats(entry) });
  }
  return weights;
}

/** Copies a model folder with other weights, stored as `dtype` says by name. */
export async function rewrite(
  from: string,
  to: string,
  change: (weights: Map<string, FloatWeight>) => void = () => undefined,
  dtype: (name: string) => FloatStorage = () => "F32",
): Promise<string> {
  const weights = await readAll(from);
  change(weights);
  await mkdir(to);
  for (const name of ["config.json", "tokenizer.json", "tokenizer_config.json"])
    await cp(join(from, name), join(to, name));
  const tensors = [...weights].map(([name, { dims, values }]) => floatTensor(name, dims, values, dtype(name)));
  await writeSafetensors(join(to, "model.safetensors"), tensors);
  return to;
}

/** Splits a folder's model.safetensors into two shards with an index. */
export async function shard(folder: string, dtype: (shard: number) => FloatStorage): Promise<void> {
  const weights = [...(await readAll(folder))];
  const half = Math.floor(weights.length / 2);
  const weightMap: Record<string, string> = {};
  for (const [index, part] of [weights.slice(0, half), weights.slice(half)].entries()) {
    const name = `model-0000${index + 1}-of-00002.safetensors`;
    for (const [tensor] of part) weightMap[tensor] = name;
    await writeSafetensors(
      join(folder, name),
      part.map(([tensor, { dims, values }]) => floatTensor(tensor, dims, values, dtype(index))),
    );
  }
  await writeFile(join(folder, "model.safetensors.index.json"), JSON.stringify({ weight_map: weightMap }));
  await rm(join(folder, "model.safetensors"));
}

/** Changes a JSON file. */
export async function editJson(path: string, change: (json: Record<string, unknown>) => void): Promise<void> {
  const json = JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>;
  change(json);
  await writeFile(path, JSON.stringify(json));
}

/** Copies a file with some bytes, given as Latin-1, replaced by others of the same length. */
export async function patchedFile(from: string, to: string, bytes: string, others: string): Promise<string> {
  const text = (await readFile(from)).toString("latin1");
  if (bytes.length !== others.length || !text.includes(bytes)) throw new Error(`${from} has no place for ${others}`);
  await writeFile(to, Buffer.from(text.replaceAll(bytes, others), "latin1"));
  return to;
}

import { realpath } from "node:fs/promises";
import { join } from "node:path";
import type { SafetensorsEntry } from "../../formats/safetensors/open.ts";
import { readTensorFloats } from "../../formats/safetensors/read.ts";
import { openSafetensorsFolder } from "../../formats/safetensors/sharded.ts";
import { diskError } from "../../util/disk-error.ts";
import { KvDistillError } from "../../util/errors.ts";
import { pathExists } from "../../util/path-exists.ts";
import { readTextFile } from "../../util/read-text.ts";
import { TEXT_FILES, type ModelSource, type SourceWeight, type TextFile } from "./model-source.ts";

/** The largest tokenizer.json in use is about 35 MB. */
const MAX_TEXT_BYTES = 1 << 27;

/**
 * A Hugging Face model folder: config.json, tokenizer.json and safetensors weights, single or sharded. Links, as in the hub's
 * own cache, are followed.
 * @throws KvDistillError `not-found`, `bad-file`, `too-large`, `unsupported`, `disk`.
 */
export async function readHuggingfaceFolder(folder: string): Promise<ModelSource> {
  const texts = new Map<TextFile, string>();
  for (const name of TEXT_FILES) {
    const path = join(folder, name);
    if (await pathExists(path)) texts.set(name, await readTextFile(path, MAX_TEXT_BYTES));
  }
  for (const name of ["config.json", "tokenizer.json"] as const) {
    if (!texts.has(name)) throw missing(folder, name);
  }
  const entries = await openSafetensorsFolder(folder);
  const real = new Map<string, string>();
  for (const { file } of entries.values()) {
    if (!real.has(file)) real.set(file, await realPath(file));
  }
  const weights = [...entries].map(([name, entry]) => sourceWeight(name, entry, real.get(entry.file) ?? entry.file));
  const files = [...[...texts.keys()].map((name) => join(folder, name)), ...[...real.keys()].sort()];
  return { where: folder, texts, weights, files };
}

function sourceWeight(name: string, entry: SafetensorsEntry, file: string): SourceWeight {
  return {
    name,
    dims: entry.shape,
    location: entry.dtype === "F32" ? { file, offset: entry.offset } : undefined,
    read: () => readTensorFloats(entry),
  };
}

async function realPath(file: string): Promise<string> {
  try {
    return await realpath(file);
  } catch (error) {
    throw diskError(error, file, "cannot follow the path");
  }
}

function missing(folder: string, name: string): KvDistillError {
  const hint =
    name === "tokenizer.json"
      ? "older checkpoints have only tokenizer.model or vocab.json: load and save them once with transformers' fast tokenizer"
      : "is this the folder of a Hugging Face model?";
  return new KvDistillError("not-found", `no ${name} in the folder`, { where: folder, hint });
}

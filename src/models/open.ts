import { KvDistillError } from "../util/errors.ts";
import { readGgufModel } from "./gguf/source.ts";
import { describeModel } from "./loading/describe.ts";
import { hashModel } from "./loading/hash-weights.ts";
import { readHuggingfaceFolder } from "./loading/huggingface-folder.ts";
import { matchWeights } from "./loading/match-weights.ts";
import type { ModelSource, SourceWeight } from "./loading/model-source.ts";
import { preparedCopy } from "./loading/prepared.ts";
import { resolveModel } from "./loading/resolve.ts";
import type { ModelFiles, WeightLocation } from "./model-files.ts";
import type { ModelReporter } from "./progress.ts";

/**
 * Opens a model: a pulled one by name, a Hugging Face folder, or a .gguf file. Folders with float32 weights are used in
 * place. Others (float16, bfloat16, mixed, GGUF) are converted once into the cache folder, `KV_DISTILL_HOME` or
 * `~/.cache/kv-distill`, whole or not at all; the reporter is told.
 * @throws KvDistillError `not-found`, `bad-file`, `too-large`, `unsupported`, `disk`.
 */
export async function openModel(nameOrPath: string, reporter: ModelReporter = {}): Promise<ModelFiles> {
  const { name, kind, path } = await resolveModel(nameOrPath);
  if (kind === "gguf") {
    const from = { kind: "gguf-file", from: path } as const;
    return openConverted(name, await preparedCopy([path], () => readGgufModel(path), from, reporter), reporter);
  }
  const source = await readHuggingfaceFolder(path);
  const inPlace = await openInPlace(name, path, source, reporter);
  if (inPlace !== undefined) return inPlace;
  const from = { kind: "huggingface-folder", from: path } as const;
  const folder = await preparedCopy(source.files, () => Promise.resolve(source), from, reporter);
  return openConverted(name, folder, reporter);
}

async function openConverted(name: string, folder: string, reporter: ModelReporter): Promise<ModelFiles> {
  const model = await openInPlace(name, folder, await readHuggingfaceFolder(folder), reporter);
  if (model !== undefined) return model;
  throw new KvDistillError("bad-file", "the converted copy is damaged", {
    where: folder,
    hint: "delete this folder; it is made again from the original",
  });
}

/** The model as it lies there; undefined when some weight is not float32. */
async function openInPlace(
  name: string,
  folder: string,
  source: ModelSource,
  reporter: ModelReporter,
): Promise<ModelFiles | undefined> {
  const { config, tokenizer, chatTemplate } = describeModel(source);
  const weights = locations(matchWeights(config, source.weights, folder));
  if (weights === undefined) return undefined;
  const hash = await hashModel(config, weights, name, reporter);
  return { name, folder, config, tokenizer, chatTemplate, weights, hash, tokenizerHash: tokenizer.hash };
}

function locations(weights: ReadonlyMap<string, SourceWeight>): Map<string, WeightLocation> | undefined {
  const found = new Map<string, WeightLocation>();
  for (const [name, { location, dims }] of weights) {
    if (location === undefined) return undefined;
    found.set(name, { ...location, dims });
  }
  return found;
}

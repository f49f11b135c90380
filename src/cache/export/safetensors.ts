import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { floatTensor } from "../../formats/safetensors/float-tensor.ts";
import { writeSafetensors } from "../../formats/safetensors/write.ts";
import { writeFileAtomic } from "../../util/atomic-file.ts";
import { type KvCache, slotsOf } from "../kv-cache.ts";
import { checkReadableElsewhere } from "./check-readable-elsewhere.ts";

/** Programs that read the exported safetensors file, and the loader in `interop/` that shows how. */
export const LOADERS = {
  transformers: "load_transformers.py",
  "transformers.js": "load-transformers-js.mjs",
  mlx: "load_mlx.py",
} as const;

export type LoaderRuntime = keyof typeof LOADERS;

const FOLDER = new URL("../../../interop/", import.meta.url);

/**
 * Writes a copy of a program's loader.
 * @throws KvDistillError `disk`, `not-found`
 */
export async function saveLoader(runtime: LoaderRuntime, path: string): Promise<void> {
  await writeFileAtomic(path, await readFile(fileURLToPath(new URL(LOADERS[runtime], FOLDER))));
}

/**
 * Writes a cache as the loaders in `interop/` read it, whole or not at all, readable by its owner only: `layers.{i}.k` and `layers.{i}.v`
 * [1, kvHeads, rows, headDim] in F32, and `layers`, `rows`, `context_length` and `model` as metadata.
 * @throws KvDistillError `unsupported` for heads with different numbers of rows, `disk`, `not-found`
 */
export async function saveForLoaders(path: string, cache: KvCache): Promise<void> {
  checkReadableElsewhere(cache, path);
  const { layers, numKvHeads, headDim, contextLength, provenance } = cache;
  const rows = slotsOf(cache);
  const shape = [1, numKvHeads, rows, headDim];
  const tensors = layers.flatMap(({ keys, values }, i) => [
    floatTensor(`layers.${i}.k`, shape, keys),
    floatTensor(`layers.${i}.v`, shape, values),
  ]);
  const metadata = new Map([
    ["layers", String(layers.length)],
    ["rows", String(rows)],
    ["context_length", String(contextLength)],
    ["model", provenance.modelName],
  ]);
  await writeSafetensors(path, tensors, { metadata, mode: 0o600 });
}

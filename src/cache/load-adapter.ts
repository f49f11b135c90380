import { join } from "node:path";
import { openSafetensors } from "../formats/safetensors/open.ts";
import { readTensorFloats } from "../formats/safetensors/read.ts";
import { readTextFile } from "../util/read-text.ts";
import type { Adapter } from "./adapter.ts";
import {
  ADAPTER_LIMITS,
  type LoadAdapterOptions,
  MAX_JSON_BYTES,
  parseSmallJson,
  readAdapter,
} from "./read-adapter.ts";
import type { AdapterFiles } from "./read-adapter-tensors.ts";

/**
 * Loads an adapter folder from disk; see `readAdapter`.
 * @throws KvDistillError as `readAdapter`, and `not-found`, `disk`
 */
export async function loadAdapter(folder: string, options: LoadAdapterOptions = {}): Promise<Adapter> {
  return readAdapter(
    {
      where: folder,
      json: (name) => readJson(join(folder, name)),
      tensors: () => openAdapterFiles(folder),
    },
    options,
  );
}

/**
 * Opens the two safetensors files of an adapter folder.
 * @throws KvDistillError as `openSafetensors`.
 */
export async function openAdapterFiles(folder: string): Promise<AdapterFiles> {
  const open = async (name: string) => ({
    file: await openSafetensors(join(folder, name), ADAPTER_LIMITS),
    floats: readTensorFloats,
  });
  return { lora: await open("adapter_model.safetensors"), scorer: await open("scorer.safetensors") };
}

/**
 * Reads one small JSON file.
 * @throws KvDistillError `not-found`, `disk`, `too-large`, `bad-file`.
 */
export async function readJson(path: string): Promise<unknown> {
  return parseSmallJson(await readTextFile(path, MAX_JSON_BYTES), path);
}

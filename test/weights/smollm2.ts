import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { ModelFiles } from "../../src/models/model-files.ts";
import { openModel } from "../../src/models/open.ts";
import { pull } from "../../src/models/pull/pull.ts";

const NAME = "smollm2-135m-instruct";

/** SmolLM2-135M-Instruct as users get it: pulled once into the cache folder, the GGUF file converted once. */
export async function smollm2(): Promise<ModelFiles> {
  await pull(NAME);
  return openModel(NAME);
}

export const golden = (name: string): string => fileURLToPath(new URL(`../golden/smollm2/${name}`, import.meta.url));

export async function readGolden(name: string): Promise<unknown> {
  return JSON.parse(await readFile(golden(name), "utf8"));
}

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { diskError, systemCodeOf } from "../util/disk-error.ts";
import { isKvDistillError } from "../util/errors.ts";
import { isJsonObject } from "../util/strict-json.ts";
import { readJson } from "./load-adapter.ts";

/** The adapters that come with the package, one folder each. */
const SHIPPED = fileURLToPath(new URL("../../adapters/", import.meta.url));

/**
 * The folder of the adapter that comes with the package for a model; undefined when there is none.
 * @param modelHash of the model's configuration and weights
 * @throws KvDistillError `disk`
 */
export async function findShippedAdapter(modelHash: string, folder = SHIPPED): Promise<string | undefined> {
  for (const name of await foldersIn(folder)) {
    const path = join(folder, name);
    if ((await baseModelHash(path)) === modelHash) return path;
  }
  return undefined;
}

async function foldersIn(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).sort();
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT") return [];
    throw diskError(error, folder, "cannot list the adapters");
  }
}

/** What an adapter says it was made for. Faults are told when it is loaded, not when it is looked for. */
async function baseModelHash(folder: string): Promise<unknown> {
  try {
    const json = await readJson(join(folder, "kv-distill.json"));
    return isJsonObject(json) && isJsonObject(json.base_model) ? json.base_model.hash : undefined;
  } catch (error) {
    if (isKvDistillError(error)) return undefined;
    throw error;
  }
}

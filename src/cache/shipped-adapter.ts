import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { diskError, systemCodeOf } from "../util/disk-error.ts";
import { isKvDistillError } from "../util/errors.ts";
import { isJsonObject } from "../util/strict-json.ts";
import { readJson } from "./load-adapter.ts";

/** The adapters that come with the package, one folder each. */
const SHIPPED = fileURLToPath(new URL("../../adapters/", import.meta.url));

export interface ShippedAdapterOptions {
  /** Heads keep equally many rows: other programs can hold its caches. */
  readonly exportable?: boolean;
}

/**
 * The folder of the adapter that comes with the package for a model, the first by name; undefined when there is none.
 * @param modelHash of the model's configuration and weights
 * @throws KvDistillError `disk`
 */
export async function findShippedAdapter(
  modelHash: string,
  { exportable = false }: ShippedAdapterOptions = {},
  folder = SHIPPED,
): Promise<string | undefined> {
  for (const name of await foldersIn(folder)) {
    const path = join(folder, name);
    const purpose = await purposeOf(path);
    if (purpose.model === modelHash && (purpose.exportable || !exportable)) return path;
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

interface Purpose {
  /** Hash of the model that it was made for. */
  readonly model?: unknown;
  /** Other programs can hold its caches. */
  readonly exportable: boolean;
}

/** What an adapter says that it is for. Faults are told when it is loaded, not when it is looked for. */
async function purposeOf(folder: string): Promise<Purpose> {
  try {
    const json = await readJson(join(folder, "kv-distill.json"));
    if (!isJsonObject(json) || !isJsonObject(json.base_model)) return { exportable: true };
    const { selection, read_positions: readPositions } = json;
    return { model: json.base_model.hash, exportable: selection !== "across-heads" && readPositions !== "kept" };
  } catch (error) {
    if (isKvDistillError(error)) return { exportable: true };
    throw error;
  }
}

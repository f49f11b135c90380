import { readdir } from "node:fs/promises";
import { cacheFolder } from "../home.ts";
import { diskError } from "../../util/disk-error.ts";
import { isModelName } from "../loading/resolve.ts";
import { KNOWN_MODELS, type KnownModel } from "./known-models.ts";
import { findPulled, type PulledModel } from "./pulled-model.ts";

export interface ModelList {
  /** By name. */
  readonly pulled: readonly PulledModel[];
  /** Known models that are not pulled. */
  readonly known: readonly KnownModel[];
}

/**
 * The models in the cache folder, and those that `pull` knows by a short name.
 * @throws KvDistillError `disk`, `bad-file`.
 */
export async function listModels(): Promise<ModelList> {
  const folder = await cacheFolder("models");
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw diskError(error, folder, "cannot list the folder");
  });
  const names = entries.filter((entry) => !entry.isFile()).map((entry) => entry.name.replace("--", "/"));
  const pulled: PulledModel[] = [];
  for (const name of names.filter(isModelName).sort()) {
    const model = await findPulled(name);
    if (model !== undefined) pulled.push(model);
  }
  return { pulled, known: KNOWN_MODELS.filter(({ name }) => pulled.every((model) => model.name !== name)) };
}

import { mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { diskError } from "../util/disk-error.ts";

/** The folder that holds pulled and converted models: `KV_DISTILL_HOME`, or else `~/.cache/kv-distill`. */
export function cacheHome(environment: Readonly<Record<string, string | undefined>> = process.env): string {
  const asked = environment.KV_DISTILL_HOME ?? "";
  return asked === "" ? join(homedir(), ".cache", "kv-distill") : resolve(asked);
}

/**
 * A folder inside the cache, made when it is not there: `models` (pulled, by name), `prepared` (converted copies, by the
 * hash of what they were made from), `datasets` (fetched data sets, by name), `hashes` (remembered hashes of files),
 * `downloads` (unfinished transfers), `quantised` (weights of 4 and 8 bits, by the model's hash).
 * @throws KvDistillError `disk`.
 */
export async function cacheFolder(
  name: "models" | "prepared" | "datasets" | "hashes" | "downloads" | "quantised",
): Promise<string> {
  const folder = join(cacheHome(), name);
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw diskError(error, folder, "cannot make the folder");
  }
  return folder;
}

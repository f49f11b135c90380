import { createHash } from "node:crypto";
import { readFile, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../../util/atomic-file.ts";
import { diskError } from "../../util/disk-error.ts";
import { messageOf } from "../../util/errors.ts";
import { cacheFolder } from "../home.ts";
import type { ModelReporter } from "../progress.ts";

/**
 * A hash over the contents of `files`, computed once and remembered in the cache folder until one of them changes
 * (path, size, or times of modification and of change, in nanoseconds).
 * @param what tells different hashes of the same files apart
 * @throws KvDistillError `not-found` or `disk` for the files, or what `compute` throws. A cache folder that cannot be written is a
 * warning: the hash is then computed again each time.
 */
export async function rememberedHash(
  what: string,
  files: readonly string[],
  compute: () => Promise<string>,
  reporter: ModelReporter,
): Promise<string> {
  const states = [];
  for (const file of [...files].sort()) states.push(await stateOf(file));
  const key = createHash("sha256")
    .update(JSON.stringify([what, states]))
    .digest("hex");
  const known = await recall(key);
  if (known !== undefined) return known;
  const hash = await compute();
  try {
    await writeFileAtomic(join(await cacheFolder("hashes"), key), Buffer.from(`${hash}\n`));
  } catch (error) {
    reporter.onWarning?.(`the hash is not remembered and will be computed again next time: ${messageOf(error)}`);
  }
  return hash;
}

async function stateOf(file: string): Promise<readonly string[]> {
  try {
    const path = await realpath(file);
    const { size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [path, size.toString(), mtimeNs.toString(), ctimeNs.toString()];
  } catch (error) {
    throw diskError(error, file, "cannot look at the file");
  }
}

/** The remembered hash; undefined when there is none, or what is there is no hash. */
async function recall(key: string): Promise<string | undefined> {
  const text = await cacheFolder("hashes")
    .then((folder) => readFile(join(folder, key), "utf8"))
    .catch(() => "");
  return /^[0-9a-f]{64}\n$/.test(text) ? text.trimEnd() : undefined;
}

import { createHash } from "node:crypto";
import { join } from "node:path";
import { pathExists } from "../../util/path-exists.ts";
import { cacheFolder } from "../home.ts";
import type { ModelReporter } from "../progress.ts";
import { fileDigest } from "./file-digest.ts";
import type { ModelSource } from "./model-source.ts";
import { prepareModel, type Provenance } from "./prepare.ts";
import { rememberedHash } from "./remembered.ts";

/** Part of the key of converted copies: raised when a conversion changes, so that older copies are not used. */
const CONVERSION = "kv-distill conversion 1";

/**
 * The float32 copy of a model in the cache folder, made on first use. Its name is the hash of the files that it was made
 * from, so a changed source gets a new copy and the same source has one, wherever it lies.
 * @param files everything that the copy is made from
 * @param read opens the source; called only when there is no copy yet
 * @throws KvDistillError as `prepareModel`.
 */
export async function preparedCopy(
  files: readonly string[],
  read: () => Promise<ModelSource>,
  provenance: Provenance,
  reporter: ModelReporter,
): Promise<string> {
  const key = await rememberedHash(CONVERSION, files, () => sourceHash(files, reporter), reporter);
  const folder = join(await cacheFolder("prepared"), key);
  if (!(await pathExists(folder))) await prepareModel(await read(), folder, provenance, reporter);
  return folder;
}

async function sourceHash(files: readonly string[], reporter: ModelReporter): Promise<string> {
  const hash = createHash("sha256").update(`${CONVERSION}\n`);
  for (const file of files) {
    const digest = await fileDigest(file, (done) =>
      reporter.onProgress?.({ step: "hash", item: file, done, total: undefined }),
    );
    hash.update(`${digest}\n`);
  }
  return hash.digest("hex");
}

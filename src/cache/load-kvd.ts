import { withFile } from "../util/with-file.ts";
import { checkKvdModel, type ExpectedModel, type KvdDescription, readKvdCache, readKvdHeader } from "./decode-kvd.ts";
import type { KvCache } from "./kv-cache.ts";

export type { KvdDescription } from "./decode-kvd.ts";

export interface LoadKvdOptions {
  readonly expectModel?: ExpectedModel;
}

/**
 * Reads the header of a `.kvd` file.
 * @throws KvDistillError `not-found`, `disk`, `bad-file`, `too-large`, `unsupported`.
 */
export async function describeKvd(path: string): Promise<KvdDescription> {
  return withFile(path, async (file, size) => (await readKvdHeader(file, size, path)).description);
}

/**
 * Reads and verifies a whole `.kvd` file: structure, checksum, every invariant of the cache.
 * @throws KvDistillError as `loadKvd`.
 */
export async function verifyKvd(path: string): Promise<KvdDescription> {
  return withFile(path, async (file, size) => {
    const header = await readKvdHeader(file, size, path);
    await readKvdCache(file, header);
    return header.description;
  });
}

/**
 * Loads a `.kvd` file, all of it or nothing. With `expectModel`, another model's cache is refused: weights are compared
 * by hash, so that a model under another name or path still fits.
 * @throws KvDistillError `not-found`, `disk`, `bad-file`, `too-large`, `unsupported`, `checksum-mismatch`, `model-mismatch`, `out-of-memory`.
 */
export async function loadKvd(path: string, options: LoadKvdOptions = {}): Promise<KvCache> {
  return withFile(path, async (file, size) => {
    const header = await readKvdHeader(file, size, path);
    const cache = await readKvdCache(file, header);
    if (options.expectModel !== undefined) checkKvdModel(header.description, options.expectModel);
    return cache;
  });
}

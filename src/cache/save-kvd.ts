import { writeFileAtomic } from "../util/atomic-file.ts";
import { encodeKvd, type EncodeKvdOptions } from "./encode-kvd.ts";
import type { KvCache } from "./kv-cache.ts";

/**
 * Writes a cache as a `.kvd` file (docs/formats/kvd.md), whole or not at all, readable by its owner only.
 * @returns bytes written
 * @throws KvDistillError as `encodeKvd`, `disk`, `not-found`.
 */
export async function saveKvd(path: string, cache: KvCache, options: EncodeKvdOptions = {}): Promise<number> {
  const chunks = await encodeKvd(cache, path, options);
  await writeFileAtomic(path, chunks, { mode: 0o600 });
  return chunks.reduce((total, chunk) => total + chunk.length, 0);
}

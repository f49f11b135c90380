import { join } from "node:path";
import { KvDistillError } from "../../util/errors.ts";
import { pathExists } from "../../util/path-exists.ts";
import { readTextFile } from "../../util/read-text.ts";
import { SAFETENSORS_LIMITS, type SafetensorsLimits } from "./limits.ts";
import { openSafetensors } from "./open.ts";
import type { SafetensorsEntry } from "./read-header.ts";
import { joinShards, parseWeightMap, type SafetensorsCheckpoint } from "./shard-index.ts";

export type { SafetensorsCheckpoint } from "./shard-index.ts";

/**
 * Opens the weights of a model folder: `model.safetensors`, or the shards that `model.safetensors.index.json` lists.
 * @throws KvDistillError `not-found` when neither is there, and as `openSafetensors`.
 */
export async function openSafetensorsFolder(
  folder: string,
  limits: Partial<SafetensorsLimits> = {},
): Promise<SafetensorsCheckpoint> {
  const single = join(folder, "model.safetensors");
  if (await pathExists(single)) return (await openSafetensors(single, limits)).entries;
  const index = join(folder, "model.safetensors.index.json");
  if (await pathExists(index)) return openSafetensorsShards(index, limits);
  throw new KvDistillError("not-found", "no weights in the folder", {
    where: folder,
    expected: "model.safetensors or model.safetensors.index.json",
  });
}

/**
 * Opens every shard that an index file lists. The shards must hold exactly the tensors that the index places in them.
 * @throws KvDistillError `bad-file` with all differences, and as `openSafetensors`.
 */
export async function openSafetensorsShards(
  indexPath: string,
  limits: Partial<SafetensorsLimits> = {},
): Promise<SafetensorsCheckpoint> {
  const { maxHeaderBytes, maxTensors } = { ...SAFETENSORS_LIMITS, ...limits };
  const weightMap = parseWeightMap(await readTextFile(indexPath, maxHeaderBytes), indexPath, maxTensors);
  const shards = [...new Set(weightMap.values())].sort();
  const opened = new Map<string, ReadonlyMap<string, SafetensorsEntry>>();
  for (const shard of shards) opened.set(shard, (await openSafetensors(join(indexPath, "..", shard), limits)).entries);
  return joinShards(weightMap, opened, indexPath);
}

/**
 * The names of the shards that an index file lists, sorted; each is a plain file name.
 * @throws KvDistillError `not-found`, `disk`, `bad-file`, `too-large`.
 */
export async function shardNames(indexPath: string): Promise<string[]> {
  const { maxHeaderBytes, maxTensors } = SAFETENSORS_LIMITS;
  const text = await readTextFile(indexPath, maxHeaderBytes);
  return [...new Set(parseWeightMap(text, indexPath, maxTensors).values())].sort();
}

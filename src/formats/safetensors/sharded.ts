import { join } from "node:path";
import { KvDistillError } from "../../util/errors.ts";
import { faultList } from "../../util/fault-list.ts";
import { pathExists } from "../../util/path-exists.ts";
import { quote } from "../../util/quote.ts";
import { readTextFile } from "../../util/read-text.ts";
import { isJsonObject, parseStrictJson } from "../../util/strict-json.ts";
import { SAFETENSORS_LIMITS, type SafetensorsLimits } from "./limits.ts";
import { openSafetensors, type SafetensorsEntry } from "./open.ts";

/** The tensors of a checkpoint, whichever of its files they lie in. */
export type SafetensorsCheckpoint = ReadonlyMap<string, SafetensorsEntry>;

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
  const checkpoint = new Map<string, SafetensorsEntry>();
  const faults: string[] = [];
  for (const shard of shards) {
    const { entries } = await openSafetensors(join(indexPath, "..", shard), limits);
    for (const [name, entry] of entries) {
      if (weightMap.get(name) === shard) checkpoint.set(name, entry);
      else faults.push(`${shard} holds ${quote(name)}, which the index does not place there`);
    }
  }
  for (const [name, shard] of weightMap) {
    if (!checkpoint.has(name)) faults.push(`${shard} lacks ${quote(name)}`);
  }
  if (faults.length > 0) {
    throw new KvDistillError("bad-file", "index and shards differ", { where: indexPath, faults: faultList(faults) });
  }
  return checkpoint;
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

function parseWeightMap(text: string, where: string, maxTensors: number): Map<string, string> {
  const root = parseStrictJson(text, where, { maxDepth: 3, maxKeys: maxTensors + 1000 });
  const raw = isJsonObject(root) ? root.weight_map : undefined;
  if (!isJsonObject(raw)) throw new KvDistillError("bad-file", "weight_map is not an object", { where });
  const weightMap = new Map<string, string>();
  for (const [name, shard] of Object.entries(raw)) {
    if (typeof shard !== "string" || !isPlainFileName(shard)) {
      throw new KvDistillError("bad-file", "a shard is not a file name", {
        where: `${where}: weight_map ${quote(name)}`,
        expected: "the name of a .safetensors file beside the index",
        got: quote(String(shard)),
      });
    }
    weightMap.set(name, shard);
  }
  return weightMap;
}

/** No separators, drives or parents: a shard lies beside its index. */
function isPlainFileName(name: string): boolean {
  return /^[^/\\:\0]+\.safetensors$/.test(name) && !name.startsWith(".");
}

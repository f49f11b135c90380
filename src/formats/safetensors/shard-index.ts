import { KvDistillError } from "../../util/errors.ts";
import { faultList } from "../../util/fault-list.ts";
import { quote } from "../../util/quote.ts";
import { isJsonObject, parseStrictJson } from "../../util/strict-json.ts";
import type { SafetensorsEntry } from "./read-header.ts";

/** The tensors of a checkpoint, whichever of its files they lie in. */
export type SafetensorsCheckpoint = ReadonlyMap<string, SafetensorsEntry>;

/**
 * The tensors of all shards, which must hold exactly those that the index places in them.
 * @param opened the tensors of every shard that the index names
 * @throws KvDistillError `bad-file` with all differences
 */
export function joinShards(
  weightMap: ReadonlyMap<string, string>,
  opened: ReadonlyMap<string, ReadonlyMap<string, SafetensorsEntry>>,
  where: string,
): SafetensorsCheckpoint {
  const checkpoint = new Map<string, SafetensorsEntry>();
  const faults: string[] = [];
  for (const [shard, entries] of opened) {
    for (const [name, entry] of entries) {
      if (weightMap.get(name) === shard) checkpoint.set(name, entry);
      else faults.push(`${shard} holds ${quote(name)}, which the index does not place there`);
    }
  }
  for (const [name, shard] of weightMap) {
    if (!checkpoint.has(name)) faults.push(`${shard} lacks ${quote(name)}`);
  }
  if (faults.length > 0) {
    throw new KvDistillError("bad-file", "index and shards differ", { where, faults: faultList(faults) });
  }
  return checkpoint;
}

/**
 * Which shard each tensor lies in, as an index file says; shards are plain file names.
 * @throws KvDistillError `bad-file`, `too-large`.
 */
export function parseWeightMap(text: string, where: string, maxTensors: number): Map<string, string> {
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

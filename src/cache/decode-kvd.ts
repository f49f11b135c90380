import { floatsFromBytes, readEntryBytes } from "../formats/safetensors/decode.ts";
import { readSafetensorsHeader, type SafetensorsFile } from "../formats/safetensors/read-header.ts";
import { countedLayer } from "../models/host-layer.ts";
import { KvDistillError } from "../util/errors.ts";
import { type ReadableFile, readRange } from "../util/read-range.ts";
import { sha256 as sha256Sum } from "../util/sha256.ts";
import { checkKvCache } from "./check-kv-cache.ts";
import { obtainedKeep, type CacheLayer, type KvCache } from "./kv-cache.ts";
import { EMPTY_CHECKSUM, replaceChecksum } from "./kvd-checksum.ts";
import { parseKvdLayout, type KvdLayout } from "./kvd-layout.ts";
import { parseKvdMetadata, type KvdFacts } from "./kvd-metadata.ts";

/** Two tensors for each layer and three more; no model comes near. */
const LIMITS = { maxHeaderBytes: 4 << 20, maxTensors: 20_000, maxRank: 3 };

/** The model that is about to read a cache. */
export interface ExpectedModel {
  readonly name: string;
  readonly hash: string;
  readonly tokenizerHash?: string;
}

/** What a cache file is, from its header alone: nothing of the data is read or verified. */
export interface KvdDescription extends KvdLayout, KvdFacts {
  readonly path: string;
  readonly fileSize: number;
}

/** A cache file whose header was read. */
export interface KvdHeader {
  readonly tensors: SafetensorsFile;
  readonly description: KvdDescription;
}

/**
 * Reads the header of an open `.kvd` file of `fileSize` bytes.
 * @param path for errors
 * @throws KvDistillError `disk`, `bad-file`, `too-large`, `unsupported`.
 */
export async function readKvdHeader(file: ReadableFile, fileSize: number, path: string): Promise<KvdHeader> {
  const tensors = await readSafetensorsHeader(file, fileSize, path, LIMITS);
  const facts = parseKvdMetadata(tensors.metadata, path);
  const layout = parseKvdLayout(tensors, facts);
  return { tensors, description: { ...facts, ...layout, path, fileSize } };
}

/**
 * Reads and verifies the rest: the data once, in file order, summing and decoding each tensor.
 * @throws KvDistillError `disk`, `bad-file`, `checksum-mismatch`, `out-of-memory`.
 */
export async function readKvdCache(file: ReadableFile, { tensors, description }: KvdHeader): Promise<KvCache> {
  const { path, sha256 } = description;
  const rawHeader = await readRange(file, 0, tensors.dataOffset, path);
  const sum = sha256Sum().update(replaceChecksum(rawHeader, sha256, EMPTY_CHECKSUM, path));
  const arrays = new Map<string, Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>>();
  for (const entry of tensors.entries.values()) {
    const bytes = await readEntryBytes(file, entry);
    sum.update(bytes);
    const decoded = entry.dtype === "I32" ? new Int32Array(bytes.buffer) : floatsFromBytes(bytes, entry.dtype, path);
    arrays.set(entry.name, decoded);
  }
  const actual = sum.hex();
  if (actual !== sha256) {
    throw new KvDistillError("checksum-mismatch", "the cache is damaged", {
      where: path,
      expected: sha256,
      got: actual,
      hint: "copy the file again, or compress the text again",
    });
  }
  return assemble(arrays, description);
}

function assemble(
  arrays: ReadonlyMap<string, Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>>,
  {
    path,
    numLayers,
    numKvHeads,
    headDim,
    layerRows,
    contextLength,
    nextPosition,
    provenance,
    obtained,
  }: KvdDescription,
): KvCache {
  const floats = (name: string): Float32Array<ArrayBuffer> => arrays.get(name) as Float32Array<ArrayBuffer>;
  const ints = (name: string): Int32Array<ArrayBuffer> => arrays.get(name) as Int32Array<ArrayBuffer>;
  const layers: CacheLayer[] = [];
  for (let i = 0; i < numLayers; i++) {
    const [keys, values] = [floats(`layers.${i}.k`), floats(`layers.${i}.v`)];
    if (layerRows === undefined) {
      layers.push({ keys, values });
      continue;
    }
    const counts = Array.from(ints("row_counts").subarray(i * numKvHeads, (i + 1) * numKvHeads));
    checkCounts(counts, layerRows[i], path);
    layers.push(countedLayer(keys, values, counts));
  }
  const positions = ints("positions");
  const cache: KvCache = {
    layers,
    numKvHeads,
    headDim,
    positions,
    ...(arrays.has("scores") ? { scores: floats("scores") } : {}),
    ...(arrays.has("token_ids") ? { tokenIds: ints("token_ids") } : {}),
    contextLength,
    ...(nextPosition === undefined ? {} : { nextPosition }),
    provenance,
  };
  checkLoaded(cache, path, obtained);
  return cache;
}

/** Rows of a layer's heads are those that the layer has. */
function checkCounts(counts: readonly number[], rows: number | undefined, where: string): void {
  if (counts.every((count) => count >= 0) && counts.reduce((sum, count) => sum + count, 0) === rows) return;
  throw new KvDistillError("bad-file", "row_counts do not fit the layers", {
    where,
    expected: `numbers of rows that add up to ${String(rows)}`,
    got: counts.join(" + "),
  });
}

/** Numbers that break the cache's rules are the file's fault here, not the caller's. */
function checkLoaded(cache: KvCache, where: string, obtained: number): void {
  try {
    checkKvCache(cache, where);
  } catch (cause) {
    if (!(cause instanceof KvDistillError)) throw cause;
    throw new KvDistillError("bad-file", "the cache breaks its rules", {
      where,
      faults: cause.facts.faults ?? [cause.message],
      cause,
    });
  }
  const actual = obtainedKeep(cache);
  if (actual !== obtained) {
    throw new KvDistillError("bad-file", "keep_obtained does not fit the positions", {
      where,
      expected: actual.toString(),
      got: obtained.toString(),
    });
  }
}

/**
 * Refuses a cache that another model made: weights are compared by hash, so that a model under another name or path still fits.
 * @throws KvDistillError `model-mismatch`
 */
export function checkKvdModel({ path, provenance }: KvdDescription, expected: ExpectedModel): void {
  if (provenance.modelHash !== expected.hash) {
    throw new KvDistillError("model-mismatch", "the cache belongs to another model", {
      where: path,
      expected: `${expected.name} (sha256 ${expected.hash})`,
      got: `${provenance.modelName} (sha256 ${provenance.modelHash})`,
      hint: `read it with ${provenance.modelName}, or compress the text with ${expected.name}`,
    });
  }
  if (expected.tokenizerHash !== undefined && provenance.tokenizerHash !== expected.tokenizerHash) {
    throw new KvDistillError("model-mismatch", "the cache was made with another tokenizer", {
      where: path,
      expected: `sha256 ${expected.tokenizerHash}`,
      got: `sha256 ${provenance.tokenizerHash}`,
    });
  }
}

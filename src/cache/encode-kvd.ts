import type { SafetensorsDType } from "../formats/safetensors/dtypes.ts";
import { encodeSafetensorsHeader, inFileOrder } from "../formats/safetensors/encode-header.ts";
import { encodeFloats } from "../formats/safetensors/float-tensor.ts";
import { allRowCounts } from "../models/host-layer.ts";
import { breather } from "../util/breather.ts";
import { sha256 } from "../util/sha256.ts";
import { checkKvCache } from "./check-kv-cache.ts";
import { isPerHead, isRaggedCache, obtainedKeep, slotsOf, type KvCache } from "./kv-cache.ts";
import { EMPTY_CHECKSUM, replaceChecksum } from "./kvd-checksum.ts";
import type { KvdDType } from "./kvd-layout.ts";
import { encodeKvdMetadata, KVD_RAGGED_VERSION, KVD_VERSION } from "./kvd-metadata.ts";

export interface EncodeKvdOptions {
  /** How keys and values are stored; F16 by default. */
  readonly dtype?: KvdDType;
}

interface EncodedTensor {
  readonly name: string;
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/**
 * The bytes of a `.kvd` file (docs/formats/kvd.md), in pieces.
 * @param path for errors
 * @throws KvDistillError `shape-mismatch` or `not-finite` (see `checkKvCache`; also a value too large for F16).
 */
export async function encodeKvd(
  cache: KvCache,
  path: string,
  { dtype = "F16" }: EncodeKvdOptions = {},
): Promise<Uint8Array[]> {
  checkKvCache(cache, path);
  const tensors = inFileOrder(await encodeTensors(cache, dtype, path));
  const { provenance, contextLength, nextPosition } = cache;
  const metadata = encodeKvdMetadata({
    version: isRaggedCache(cache) ? KVD_RAGGED_VERSION : KVD_VERSION,
    provenance,
    contextLength,
    ...(nextPosition === undefined ? {} : { nextPosition }),
    obtained: obtainedKeep(cache),
    sha256: EMPTY_CHECKSUM,
  });
  const unsigned = encodeSafetensorsHeader(tensors, metadata);
  const sum = sha256().update(unsigned);
  const breathe = breather();
  for (const { bytes } of tensors) {
    sum.update(bytes);
    await breathe();
  }
  const header = replaceChecksum(unsigned, EMPTY_CHECKSUM, sum.hex(), path);
  return [header, ...tensors.map(({ bytes }) => bytes)];
}

async function encodeTensors(cache: KvCache, dtype: KvdDType, path: string): Promise<EncodedTensor[]> {
  const { layers, numKvHeads, headDim, positions, scores, tokenIds } = cache;
  const slots = slotsOf(cache);
  const ragged = isRaggedCache(cache);
  const ownShape = ragged ? [positions.length] : [layers.length, numKvHeads, slots];
  const tokenShape = isPerHead(cache) ? ownShape : [slots];
  const floats = (name: string, values: Float32Array): EncodedTensor => {
    const shape = ragged ? [values.length / headDim, headDim] : [numKvHeads, slots, headDim];
    return { name, dtype, shape, bytes: encodeFloats(values, dtype, `${path}: ${name}`) };
  };
  const tensors: EncodedTensor[] = [];
  const breathe = breather();
  for (const [i, { keys, values }] of layers.entries()) {
    tensors.push(floats(`layers.${i}.k`, keys), floats(`layers.${i}.v`, values));
    await breathe();
  }
  if (ragged) {
    const counts = Int32Array.from(allRowCounts(layers, cache));
    tensors.push({ name: "row_counts", dtype: "I32", shape: [layers.length, numKvHeads], bytes: bytesOf(counts) });
  }
  tensors.push({ name: "positions", dtype: "I32", shape: tokenShape, bytes: bytesOf(positions) });
  if (scores !== undefined) {
    tensors.push({ name: "scores", dtype: "F32", shape: tokenShape, bytes: bytesOf(scores) });
  }
  if (tokenIds !== undefined) {
    tensors.push({ name: "token_ids", dtype: "I32", shape: [tokenIds.length], bytes: bytesOf(tokenIds) });
  }
  return tensors;
}

function bytesOf(array: Int32Array | Float32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

import type { ModelConfig } from "../models/config.ts";
import type { HostLayer } from "../models/layer-cache.ts";
import { KvDistillError } from "../util/errors.ts";

/**
 * Rows of one layer.
 * @param positions for every kv head the positions to take, equally many for each
 */
export function takeRows(
  { keys, values }: HostLayer,
  { numKvHeads, headDim }: ModelConfig,
  positions: readonly Int32Array[],
): HostLayer {
  const tokens = keys.length / (numKvHeads * headDim);
  const count = positions[0]?.length ?? 0;
  const take = (from: Float32Array): Float32Array<ArrayBuffer> => {
    const rows = new Float32Array(numKvHeads * count * headDim);
    for (let head = 0; head < numKvHeads; head++) {
      const own = positions[head];
      if (own?.length !== count) throw new KvDistillError("shape-mismatch", "heads keep different numbers of rows");
      own.forEach((position, slot) => {
        const start = (head * tokens + position) * headDim;
        rows.set(from.subarray(start, start + headDim), (head * count + slot) * headDim);
      });
    }
    return rows;
  };
  return { keys: take(keys), values: take(values) };
}

/**
 * Rows of every layer.
 * @param positions one entry for all layers and heads, or one for each, layer · numKvHeads + head
 */
export function takeKept(
  layers: readonly HostLayer[],
  config: ModelConfig,
  positions: readonly Int32Array[],
): HostLayer[] {
  return layers.map((layer, i) => takeRows(layer, config, headEntries(positions, i, config.numKvHeads)));
}

/** Of a list with one entry for all heads, or one for every head of every layer: those of one layer's heads. */
export function headEntries<T>(entries: readonly T[], layer: number, numKvHeads: number): T[] {
  const [only] = entries;
  if (entries.length === 1 && only !== undefined) return new Array<T>(numKvHeads).fill(only);
  return entries.slice(layer * numKvHeads, (layer + 1) * numKvHeads);
}

import type { ModelConfig } from "../models/config.ts";
import { heldRows, type HostLayer } from "../models/layer-cache.ts";

/**
 * Rows of one layer.
 * @param positions for every kv head the positions to take
 * @param slots rows of a head in the result; heads that take fewer are padded with zeros, and `rowCounts` tells how many are rows
 */
export function takeRows(
  { keys, values }: HostLayer,
  { numKvHeads, headDim }: ModelConfig,
  positions: readonly Int32Array[],
  slots: number,
): HostLayer {
  const tokens = keys.length / (numKvHeads * headDim);
  const take = (from: Float32Array): Float32Array<ArrayBuffer> => {
    const rows = new Float32Array(numKvHeads * slots * headDim);
    positions.forEach((own, head) => {
      own.forEach((position, slot) => {
        const start = (head * tokens + position) * headDim;
        rows.set(from.subarray(start, start + headDim), (head * slots + slot) * headDim);
      });
    });
    return rows;
  };
  const rowCounts = positions.map(({ length }) => length);
  const taken = { keys: take(keys), values: take(values) };
  return rowCounts.every((count) => count === slots) ? taken : { ...taken, rowCounts };
}

/**
 * Rows of every layer: the layers themselves when they are all taken.
 * @param positions sorted; one entry for all layers and heads, or one for each, layer · numKvHeads + head
 */
export function takeKept(
  layers: readonly HostLayer[],
  config: ModelConfig,
  positions: readonly Int32Array[],
): readonly HostLayer[] {
  const rows = heldRows(layers, config);
  if (positions.every(({ length }) => length === rows)) return layers;
  const slots = Math.max(...positions.map(({ length }) => length));
  return layers.map((layer, i) => takeRows(layer, config, headEntries(positions, i, config.numKvHeads), slots));
}

/** Of a list with one entry for all heads, or one for every head of every layer: those of one layer's heads. */
export function headEntries<T>(entries: readonly T[], layer: number, numKvHeads: number): T[] {
  const [only] = entries;
  if (entries.length === 1 && only !== undefined) return new Array<T>(numKvHeads).fill(only);
  return entries.slice(layer * numKvHeads, (layer + 1) * numKvHeads);
}

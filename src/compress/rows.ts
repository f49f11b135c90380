import type { ModelConfig } from "../models/config.ts";
import { countedLayer, heldRows, type HostLayer } from "../models/host-layer.ts";

/**
 * Rows of one layer whose heads all have equally many.
 * @param positions for every kv head the positions to take
 */
export function takeRows(
  { keys, values }: HostLayer,
  { numKvHeads, headDim }: ModelConfig,
  positions: readonly Int32Array[],
): HostLayer {
  const tokens = keys.length / (numKvHeads * headDim);
  const rowCounts = positions.map(({ length }) => length);
  const total = rowCounts.reduce((sum, count) => sum + count, 0);
  const take = (from: Float32Array): Float32Array<ArrayBuffer> => {
    const rows = new Float32Array(total * headDim);
    let at = 0;
    positions.forEach((own, head) => {
      for (const position of own) {
        const start = (head * tokens + position) * headDim;
        for (let i = start; i < start + headDim; i++) rows[at++] = from[i] ?? 0;
      }
    });
    return rows;
  };
  return countedLayer(take(keys), take(values), rowCounts);
}

/**
 * Rows of every layer of a full cache: the layers themselves when they are all taken.
 * @param positions sorted; one entry for all layers and heads, or one for each, layer · numKvHeads + head
 */
export function takeKept(
  layers: readonly HostLayer[],
  config: ModelConfig,
  positions: readonly Int32Array[],
): readonly HostLayer[] {
  const rows = heldRows(layers, config);
  if (positions.every(({ length }) => length === rows)) return layers;
  return layers.map((layer, i) => takeRows(layer, config, headEntries(positions, i, config.numKvHeads)));
}

/** Of a list with one entry for all heads, or one for every head of every layer: those of one layer's heads. */
export function headEntries<T>(entries: readonly T[], layer: number, numKvHeads: number): T[] {
  const [only] = entries;
  if (entries.length === 1 && only !== undefined) return new Array<T>(numKvHeads).fill(only);
  return entries.slice(layer * numKvHeads, (layer + 1) * numKvHeads);
}

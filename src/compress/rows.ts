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

/** The same positions in every layer and head. */
export function takeShared(layers: readonly HostLayer[], config: ModelConfig, positions: Int32Array): HostLayer[] {
  const everyHead = new Array<Int32Array>(config.numKvHeads).fill(positions);
  return layers.map((layer) => takeRows(layer, config, everyHead));
}

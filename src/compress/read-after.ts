import { LayerCache } from "../models/layer-cache.ts";
import type { LanguageModel } from "../models/language-model.ts";
import { joinRows, type PlacedRows } from "./join-rows.ts";

/**
 * Reads what follows the compressed part of a context, as any reader of the finished cache would: the frozen model on the
 * rows so far.
 * @param position of the first of `ids`
 * @returns their rows, all of them, at positions of the whole context; with scores of 0 where the rows before have scores
 * @throws KvDistillError as `LanguageModel.forward`
 */
export async function readAfter(
  model: LanguageModel,
  before: readonly PlacedRows[],
  ids: readonly number[],
  position: number,
  signal?: AbortSignal,
): Promise<PlacedRows> {
  const { layers } = joinRows(before, model.config);
  const cache = await LayerCache.from(model.runtime, model.config, layers, position);
  try {
    const old = cache.length;
    await model.forward({ ids, cache, ...(signal === undefined ? {} : { signal }) });
    const rows = (await cache.download()).map(({ keys, values }) => ({
      keys: withoutFirst(keys, old, cache.length, model.config.headDim),
      values: withoutFirst(values, old, cache.length, model.config.headDim),
    }));
    return {
      layers: rows,
      positions: [Int32Array.from(ids, (_, i) => position + i)],
      scores: [new Float32Array(ids.length)],
    };
  } finally {
    cache.release();
  }
}

/** Rows from `first` on of every head, of [heads, rows, headDim]. */
function withoutFirst(all: Float32Array, first: number, rows: number, headDim: number): Float32Array<ArrayBuffer> {
  const heads = all.length / (rows * headDim);
  const width = (rows - first) * headDim;
  const rest = new Float32Array(heads * width);
  for (let head = 0; head < heads; head++) {
    const start = (head * rows + first) * headDim;
    rest.set(all.subarray(start, start + width), head * width);
  }
  return rest;
}

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
    await model.forward({ ids, cache, ...(signal === undefined ? {} : { signal }) });
    return {
      layers: await cache.downloadNewest(ids.length),
      positions: [Int32Array.from(ids, (_, i) => position + i)],
      scores: [new Float32Array(ids.length)],
    };
  } finally {
    cache.release();
  }
}

import { LayerCache } from "../models/layer-cache.ts";
import type { LanguageModel } from "../models/language-model.ts";
import type { CompressedRows } from "./method.ts";
import { joinRows, type PlacedRows } from "./join-rows.ts";

/**
 * Reads what follows the compressed part of a context, as any reader of the finished cache would: the frozen model on the
 * rows so far.
 * @param position of the first of `ids`
 * @returns their rows, all of them; positions counted from the first of `ids`, scores 0
 * @throws KvDistillError as `LanguageModel.forward`
 */
export async function readAfter(
  model: LanguageModel,
  before: readonly PlacedRows[],
  ids: readonly number[],
  position: number,
  signal?: AbortSignal,
): Promise<CompressedRows> {
  const { layers } = joinRows(before, model.config);
  const cache = await LayerCache.from(model.runtime, model.config, layers, position);
  try {
    await model.forward({ ids, cache, ...(signal === undefined ? {} : { signal }) });
    return {
      layers: await cache.downloadNewest(ids.length),
      positions: [Int32Array.from(ids, (_, i) => i)],
      scores: [new Float32Array(ids.length)],
    };
  } finally {
    cache.release();
  }
}

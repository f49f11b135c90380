import { compressIds } from "../../compress/compress.ts";
import type { LoadedAdapter } from "../../compress/loaded-adapter.ts";
import { kvDistill } from "../../compress/methods/kv-distill.ts";
import { decode } from "../../generate/decode.ts";
import { readingCache } from "../../generate/generate.ts";
import { GREEDY } from "../../generate/sample.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import type { LayerCache } from "../../models/layer-cache.ts";
import { randomFromSeed } from "../../util/random.ts";
import type { DecodeRequest } from "../sides/protocol.ts";
import type { Done, Measure } from "../sides/serve.ts";

/** The cache of the request before: reading a long text for every repetition would take minutes. */
export interface DecodeState {
  key?: string;
  cache?: LayerCache;
}

/** The decode loop that answers are made with, greedy, on a cache that is there already. */
export async function decoding(
  model: LanguageModel,
  adapter: () => Promise<LoadedAdapter>,
  { context, keep, first, steps }: DecodeRequest,
  state: DecodeState,
  measure: Measure,
): Promise<Done> {
  const key = JSON.stringify([context, keep]);
  if (state.key !== key || state.cache === undefined) {
    state.cache?.release();
    state.cache = keep < 1 ? await compressed(model, await adapter(), context, keep) : await full(model, context);
    state.key = key;
  }
  const { cache } = state;
  const { length, position } = cache;
  try {
    const { value, seconds } = await measure(async () => {
      const ids: number[] = [];
      const options = { maxTokens: steps, stopIds: [], sampling: GREEDY, random: randomFromSeed(0) };
      for await (const id of decode(model, cache, [first], options)) ids.push(id);
      return ids;
    });
    return { seconds, tokens: steps, check: { ids: value } };
  } finally {
    cache.truncate(length, position);
  }
}

async function full(model: LanguageModel, ids: readonly number[]): Promise<LayerCache> {
  const cache = await model.newCache();
  await model.forward({ ids, cache });
  return cache;
}

async function compressed(
  model: LanguageModel,
  adapter: LoadedAdapter,
  ids: readonly number[],
  keep: number,
): Promise<LayerCache> {
  return readingCache(
    model,
    await compressIds(model, ids, { method: kvDistill(adapter), adapter, keep: { kind: "fraction", value: keep } }),
  );
}

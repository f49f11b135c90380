import { compressIds } from "../../compress/compress.ts";
import type { LoadedAdapter } from "../../compress/loaded-adapter.ts";
import { kvDistill } from "../../compress/methods/kv-distill.ts";
import { decode } from "../../generate/decode.ts";
import { readingCache } from "../../generate/generate.ts";
import { GREEDY } from "../../generate/sample.ts";
import { divergence, teacherOf } from "../../evaluate/metrics/divergence.ts";
import { LanguageModel } from "../../models/language-model.ts";
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
  { context, keep, first, steps, fidelity }: DecodeRequest,
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
    if (fidelity === undefined) return { seconds, tokens: steps, check: { ids: value } };
    cache.truncate(length, position);
    const forwardKl = await divergenceFromFloat32(model, cache, [first, ...value]);
    return { seconds, tokens: steps, check: { ids: value, KL: forwardKl } };
  } finally {
    cache.truncate(length, position);
  }
}

/** Mean forward KL of predictions after each of `ids` but the last, read one by one as when decoding, in nats. */
async function divergenceFromFloat32(model: LanguageModel, cache: LayerCache, ids: readonly number[]): Promise<number> {
  const { length, position } = cache;
  const oneByOne = async (reader: LanguageModel): Promise<Float32Array[]> => {
    const logits: Float32Array[] = [];
    for (const id of ids.slice(0, -1)) logits.push((await reader.forward({ ids: [id], cache, logitRows: [0] })).data);
    cache.truncate(length, position);
    return logits;
  };
  const exact = teacherOf(await oneByOne(new LanguageModel(model.files, model.runtime)));
  return divergence(exact, await oneByOne(model), ids.slice(1)).forwardKl;
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

import { join } from "node:path";
import { loadKvd } from "../../cache/load-kvd.ts";
import { saveKvd } from "../../cache/save-kvd.ts";
import { compressIds } from "../../compress/compress.ts";
import type { LoadedAdapter } from "../../compress/loaded-adapter.ts";
import { kvDistill } from "../../compress/methods/kv-distill.ts";
import { readingCache } from "../../generate/generate.ts";
import { argmax } from "../../generate/sample.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import type { FirstTokenRequest } from "../sides/protocol.ts";
import type { Done, Measure } from "../sides/serve.ts";

/** The cache file of the request before. */
export interface FirstTokenState {
  key?: string;
  path?: string;
}

/** From the question to the first token of its answer; the model is loaded, the cache file or the text is not. */
export async function firstToken(
  model: LanguageModel,
  adapter: () => Promise<LoadedAdapter>,
  { from, context, keep, question }: FirstTokenRequest,
  scratch: string,
  state: FirstTokenState,
  measure: Measure,
): Promise<Done> {
  const key = JSON.stringify([context, keep]);
  if (from === "file" && state.key !== key) {
    state.path = join(scratch, "first-token.kvd");
    await saveKvd(state.path, await compressed(model, await adapter(), context, keep));
    state.key = key;
  }
  const { path = "" } = state;
  const { value, seconds } = await measure(async () => {
    const cache =
      from === "file"
        ? await readingCache(model, await loadKvd(path, { expectModel: model.files }))
        : await model.newCache();
    try {
      if (from === "text") await model.forward({ ids: context, cache });
      return (await model.forward({ ids: question, cache, logitRows: [question.length - 1] })).data;
    } finally {
      cache.release();
    }
  });
  return { seconds, tokens: 1, check: { next: argmax(value) } };
}

const compressed = (model: LanguageModel, adapter: LoadedAdapter, ids: readonly number[], keep: number) =>
  compressIds(model, ids, { method: kvDistill(adapter), adapter, keep: { kind: "fraction", value: keep } });

import { compressIds } from "../compress/compress.ts";
import { decode } from "../generate/decode.ts";
import { GREEDY } from "../generate/sample.ts";
import type { HostLayer } from "../models/host-layer.ts";
import { contextLimit } from "../models/config.ts";
import { FUSED_FROM, type LanguageModel } from "../models/language-model.ts";
import { LayerCache } from "../models/layer-cache.ts";
import { SHORT_STEP } from "../models/precision/precision.ts";
import { randomFromSeed } from "../util/random.ts";
import { chosenMethod, type Service } from "./service.ts";

/** Tokens of an answer here. */
const ANSWER = 2;
/** More than weights of fewer bits are used for, and as many as the fused kernel reads: texts, prompts and steps have graphs of their own. */
const LENGTHS = [SHORT_STEP + 8, FUSED_FROM + 8];

/**
 * Reads a few tokens, compresses them and answers, so that what this needs is made before anybody asks: making a graph takes tenths of a
 * second, in which the process does nothing else.
 * @throws KvDistillError what the engine throws
 */
export async function warmUp(service: Service): Promise<void> {
  const { model, adapter } = service;
  for (const length of LENGTHS) {
    // Behind the rows of `raggedCache`.
    if (length + RAGGED_POSITION + ANSWER > contextLimit(model.config)) continue;
    const ids = Array.from({ length }, (_, i) => i % model.config.vocabSize);
    await answerOnce(service, await model.newCache(), ids);
    // Caches whose heads hold different numbers of rows are read by other graphs.
    await answerOnce(service, await raggedCache(model), ids);
    if (adapter === undefined) continue;
    const span = { start: 0, end: length };
    await compressIds(model, ids, { ...chosenMethod(service), span, keep: { kind: "fraction", value: 0.5 } });
  }
  await encodeSpecialToken(service);
}

async function answerOnce({ model, reader }: Service, cache: LayerCache, ids: readonly number[]): Promise<void> {
  const { length, position } = cache;
  try {
    await model.forward({ ids, cache });
    cache.truncate(length, position);
    const options = { maxTokens: ANSWER, stopIds: [], sampling: GREEDY, random: randomFromSeed(0) };
    const tokens = decode(reader, cache, ids, options);
    while ((await tokens.next()).done !== true);
  } finally {
    cache.release();
  }
}

const RAGGED_POSITION = 2;

/** A row of zeros in every head, and one more in the first. */
function raggedCache({ runtime, config }: LanguageModel): Promise<LayerCache> {
  const { numLayers, numKvHeads, headDim } = config;
  const layers = Array.from({ length: numLayers }, (_, layer): HostLayer => {
    const rowCounts = Array.from({ length: numKvHeads }, (_, head) => (layer + head === 0 ? 2 : 1));
    const size = (numKvHeads + (layer === 0 ? 1 : 0)) * headDim;
    return { keys: new Float32Array(size), values: new Float32Array(size), rowCounts };
  });
  return LayerCache.from(runtime, config, layers, RAGGED_POSITION);
}

/** Texts in which a special token is written out are encoded by a tokenizer of their own. */
async function encodeSpecialToken({ model, encoder }: Service): Promise<void> {
  const { tokenizer } = model.files;
  const text = tokenizer.decode(tokenizer.eosIds, { skipSpecial: false });
  await encoder.parts([{ text, special: "plain" }]);
}

import type { KvCache } from "../cache/kv-cache.ts";
import { LayerCache } from "../models/layer-cache.ts";
import type { LanguageModel } from "../models/language-model.ts";
import { KvDistillError } from "../util/errors.ts";
import { randomFromSeed } from "../util/random.ts";
import { decode } from "./decode.ts";
import { GREEDY, type Sampling } from "./sample.ts";

export interface GenerateOptions {
  /** A compressed context to read from; without it the prompt is all there is. */
  readonly cache?: KvCache;
  /** Token ids that are read before answering. */
  readonly promptIds: readonly number[];
  readonly maxTokens?: number;
  /** Greedy by default. */
  readonly sampling?: Sampling;
  readonly seed?: number;
  /** Told each token of the answer when it is chosen; a stop token is none. */
  readonly onToken?: (id: number) => void;
  readonly signal?: AbortSignal;
}

const DEFAULT_MAX_TOKENS = 256;

/**
 * Streams an answer, piece by piece, each whole characters. The cache is not changed: it may be asked again.
 * @throws KvDistillError `model-mismatch` for another model's cache, `bad-argument` for an empty prompt, `context-too-long`
 */
export async function* generate(
  model: LanguageModel,
  options: GenerateOptions,
): AsyncGenerator<string, void, undefined> {
  const { cache, promptIds, maxTokens = DEFAULT_MAX_TOKENS, sampling = GREEDY, seed = 0, onToken, signal } = options;
  const { tokenizer } = model.files;
  const rows = cache === undefined ? await model.newCache() : await readingCache(model, cache);
  const stream = tokenizer.stream({ skipSpecial: true });
  try {
    const tokens = decode(model, rows, promptIds, {
      maxTokens,
      stopIds: tokenizer.eosIds,
      sampling,
      random: randomFromSeed(seed),
      ...(signal === undefined ? {} : { signal }),
    });
    for await (const id of tokens) {
      onToken?.(id);
      const piece = stream.push(id);
      if (piece !== "") yield piece;
    }
    const rest = stream.end();
    if (rest !== "") yield rest;
  } finally {
    rows.release();
  }
}

/**
 * A compressed cache where the model runs, ready to be read on.
 * @throws KvDistillError `model-mismatch`
 */
export function readingCache(model: LanguageModel, cache: KvCache): Promise<LayerCache> {
  const { modelHash, modelName } = cache.provenance;
  if (modelHash !== model.files.hash) {
    throw new KvDistillError("model-mismatch", "the cache belongs to another model", {
      expected: `${model.files.name} (sha256 ${model.files.hash})`,
      got: `${modelName} (sha256 ${modelHash})`,
    });
  }
  return LayerCache.from(model.runtime, model.config, cache.layers, cache.contextLength);
}

import { type KvCache, nextPositionOf } from "../cache/kv-cache.ts";
import { contextLimit } from "../models/config.ts";
import { chatPromptIds } from "../models/chat-prompt.ts";
import { LayerCache } from "../models/layer-cache.ts";
import type { LanguageModel } from "../models/language-model.ts";
import { passagePromptOf } from "../models/passage-prompt-of.ts";
import type { QuestionStyle } from "../models/passage-prompt.ts";
import { KvDistillError } from "../util/errors.ts";
import { randomFromSeed } from "../util/random.ts";
import { decode, type Finish, type Reader } from "./decode.ts";
import { GREEDY, type Sampling } from "./sample.ts";

export interface AnswerOptions {
  readonly maxTokens?: number;
  /** Greedy by default. */
  readonly sampling?: Sampling;
  readonly seed?: number;
  /** Told each token of the answer when it is chosen; a stop token is none. */
  readonly onToken?: (id: number) => void;
  /** Reads the tokens; the model by default. */
  readonly reader?: Reader<LayerCache>;
  readonly signal?: AbortSignal;
}

/** What to answer: a question in words, asked as the model's chat template has it, or token ids that are read before answering. */
export type Question =
  | { readonly prompt: string; readonly style?: QuestionStyle; readonly promptIds?: undefined }
  | { readonly promptIds: readonly number[]; readonly prompt?: undefined };

export type GenerateOptions = AnswerOptions &
  Question & {
    /** A compressed context to read from; without it the prompt is all there is. */
    readonly cache?: KvCache;
  };

const DEFAULT_MAX_TOKENS = 256;

/**
 * Streams an answer, piece by piece, each whole characters; returns why it ended. The cache is not changed: it may be asked again.
 * @throws KvDistillError `model-mismatch` for another model's cache, `bad-argument` for an empty prompt, `context-too-long`
 */
export async function* generate(
  model: LanguageModel,
  options: GenerateOptions,
): AsyncGenerator<string, Finish, undefined> {
  const { cache } = options;
  const promptIds = options.promptIds ?? questionIds(model, options);
  const rows = cache === undefined ? await model.newCache() : await readingCache(model, cache);
  try {
    return yield* answer(model, rows, promptIds, options);
  } finally {
    rows.release();
  }
}

/**
 * Streams an answer from rows that stay where they are: what is read for it is forgotten again, so that they may be asked
 * any number of questions, one after the other.
 * @throws KvDistillError as `generate`
 */
export async function* answer(
  model: LanguageModel,
  rows: LayerCache,
  promptIds: readonly number[],
  options: AnswerOptions,
): AsyncGenerator<string, Finish, undefined> {
  const { maxTokens = DEFAULT_MAX_TOKENS, sampling = GREEDY, seed = 0, onToken, reader = model, signal } = options;
  const { tokenizer } = model.files;
  const { length, position } = rows;
  const stream = tokenizer.stream({ skipSpecial: true });
  const tokens = decode(reader, rows, promptIds, {
    maxTokens,
    stopIds: tokenizer.eosIds,
    sampling,
    random: randomFromSeed(seed),
    ...(signal === undefined ? {} : { signal }),
  });
  try {
    let next = await tokens.next();
    for (; next.done !== true; next = await tokens.next()) {
      onToken?.(next.value);
      const piece = stream.push(next.value);
      if (piece !== "") yield piece;
    }
    const rest = stream.end();
    if (rest !== "") yield rest;
    return next.value;
  } finally {
    await tokens.return("stop");
    rows.truncate(length, position);
  }
}

function questionIds(
  { files }: LanguageModel,
  { cache, prompt, style = "plain" }: Extract<GenerateOptions, { readonly prompt: string }>,
): readonly number[] {
  return cache === undefined ? chatPromptIds(files, prompt) : passagePromptOf(files, style).questionIds(prompt);
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
  return LayerCache.from(model.runtime, model.config, cache.layers, nextPositionOf(cache));
}

/**
 * The full cache of a compressed one's context: its text read again, where the model runs.
 * @param onRead told how many tokens have been read
 * @throws KvDistillError `unsupported` when the cache does not hold its tokens, `context-too-long` when it was compressed in folds
 */
export async function fullCache(
  model: LanguageModel,
  { tokenIds, contextLength }: KvCache,
  signal?: AbortSignal,
  onRead?: (tokens: number) => void,
): Promise<LayerCache> {
  if (tokenIds === undefined) {
    throw new KvDistillError("unsupported", "the cache does not hold the tokens that it was made from", {
      hint: "compress the text again",
    });
  }
  const limit = contextLimit(model.config);
  if (contextLength > limit) {
    throw new KvDistillError("context-too-long", "the model cannot read the whole context, only its compressed cache", {
      where: model.files.name,
      expected: `at most ${limit} tokens`,
      got: String(contextLength),
    });
  }
  const rows = await model.newCache();
  rows.onGrowth = onRead;
  try {
    await model.forward({ ids: Array.from(tokenIds), cache: rows, ...(signal === undefined ? {} : { signal }) });
    rows.onGrowth = undefined;
    return rows;
  } catch (error) {
    rows.release();
    throw error;
  }
}

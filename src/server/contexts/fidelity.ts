import type { KvCache } from "../../cache/kv-cache.ts";
import { divergence, teacherOf } from "../../evaluate/metrics/divergence.ts";
import { decode } from "../../generate/decode.ts";
import { fullCache, readingCache } from "../../generate/generate.ts";
import { GREEDY } from "../../generate/sample.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import type { LayerCache } from "../../models/layer-cache.ts";
import { passagePromptOf } from "../../models/load-model.ts";
import { randomFromSeed } from "../../util/random.ts";

/** How a compressed cache predicts what the full cache answers. */
export interface Fidelity {
  /** KL(full ‖ compressed) in nats, mean over the answers' tokens. */
  readonly forward_kl: number;
  /** Share of tokens at which both hold the same token likeliest. */
  readonly top1: number;
  /** Tokens compared. */
  readonly tokens: number;
  readonly questions: number;
}

/** Tokens of an answer that are compared. */
const ANSWER_TOKENS = 32;

/**
 * Lets the full cache answer and compares what the compressed one predicts at every token of the answers.
 * @param questions in words; the request to repeat the text when there are none
 * @throws KvDistillError `unsupported` without the text's tokens, `context-too-long` when the model cannot read it whole, `cancelled`
 */
export async function fidelityOf(
  model: LanguageModel,
  cache: KvCache,
  questions: readonly string[],
  signal: AbortSignal,
): Promise<Fidelity> {
  const prompt = passagePromptOf(model.files, "plain");
  const asked = questions.length === 0 ? [prompt.reconstructionIds] : questions.map((text) => prompt.questionIds(text));
  const full = await fullCache(model, cache, signal);
  try {
    const compressed = await readingCache(model, cache);
    try {
      let [kl, top1, tokens] = [0, 0, 0];
      for (const ids of asked) {
        const answer = await greedyAnswer(model, full, ids, signal);
        const read = (rows: LayerCache): Promise<Float32Array[]> => logitsOf(model, rows, ids, answer, signal);
        const own = divergence(teacherOf(await read(full)), await read(compressed), answer);
        kl += own.forwardKl * answer.length;
        top1 += own.top1 * answer.length;
        tokens += answer.length;
      }
      return { forward_kl: kl / tokens, top1: top1 / tokens, tokens, questions: asked.length };
    } finally {
      compressed.release();
    }
  } finally {
    full.release();
  }
}

/** The likeliest answer, the token that ends it included: at least one token. */
async function greedyAnswer(
  model: LanguageModel,
  rows: LayerCache,
  ids: readonly number[],
  signal: AbortSignal,
): Promise<number[]> {
  const { length, position } = rows;
  const answer: number[] = [];
  const options = { maxTokens: ANSWER_TOKENS, stopIds: [], sampling: GREEDY, random: randomFromSeed(0), signal };
  try {
    for await (const id of decode(model, rows, ids, options)) {
      answer.push(id);
      if (model.files.tokenizer.eosIds.includes(id)) break;
    }
    return answer;
  } finally {
    rows.truncate(length, position);
  }
}

/** Logits at every token of an answer, [vocabulary] each. */
async function logitsOf(
  model: LanguageModel,
  rows: LayerCache,
  question: readonly number[],
  answer: readonly number[],
  signal: AbortSignal,
): Promise<Float32Array[]> {
  const { length, position } = rows;
  const { vocabSize } = model.config;
  try {
    const { data } = await model.forward({
      ids: [...question, ...answer.slice(0, -1)],
      cache: rows,
      logitRows: answer.map((_, i) => question.length - 1 + i),
      signal,
    });
    return answer.map((_, i) => data.slice(i * vocabSize, (i + 1) * vocabSize));
  } finally {
    rows.truncate(length, position);
  }
}

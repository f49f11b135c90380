import { CompressionContext } from "../compress/context.ts";
import { answerSequences, type SequenceAnswer } from "../generate/answer-sequences.ts";
import { Sequences, type SequenceStart } from "../generate/sequences.ts";
import type { LanguageModel } from "../models/language-model.ts";
import type { PassagePrompt } from "../models/passage-prompt.ts";

export interface SelfAnswer extends Pick<SequenceAnswer, "finish"> {
  /** Without white space around it; may be empty. */
  readonly text: string;
}

/**
 * The model's own greedy answers to questions about a passage that it reads in full: what a student of the model is to say
 * (METHOD section 8: RestoreKV learns from them).
 * @throws KvDistillError `context-too-long`, `cancelled`, and what the engine throws
 */
export async function selfAnswers(
  model: LanguageModel,
  prompt: PassagePrompt,
  passage: { readonly context: string; readonly questions: readonly string[] },
  { maxTokens, signal }: { readonly maxTokens: number; readonly signal?: AbortSignal },
): Promise<SelfAnswer[]> {
  const stop = signal === undefined ? {} : { signal };
  const start = await readWhole(model, prompt.contextIds(passage.context), stop);
  const asked = passage.questions.map((question) => prompt.questionIds(question));
  return greedyAnswers(model, start, asked, { maxTokens, ...stop });
}

/** A text that the model has read in full. @throws KvDistillError as `selfAnswers` */
export async function readWhole(
  model: LanguageModel,
  ids: readonly number[],
  stop: { readonly signal?: AbortSignal },
): Promise<SequenceStart> {
  const { layers } = await new CompressionContext(model, ids, stop).full();
  return { layers, position: ids.length };
}

/**
 * Greedy answers to several prompts that each continue a text on their own.
 * @param asked ids of each prompt, to the start of the answer or some words into it
 * @throws KvDistillError as `selfAnswers`
 */
export async function greedyAnswers(
  model: LanguageModel,
  start: SequenceStart,
  asked: readonly (readonly number[])[],
  { maxTokens, signal }: { readonly maxTokens: number; readonly signal?: AbortSignal },
): Promise<SelfAnswer[]> {
  const { tokenizer } = model.files;
  const stop = signal === undefined ? {} : { signal };
  const sequences = await Sequences.open(
    model,
    asked.map(() => start),
    Math.max(...asked.map(({ length }) => length)) + maxTokens,
  );
  try {
    const texts = asked.map((ids, sequence) => ({ sequence, ids, logitsFrom: ids.length - 1 }));
    const logits = await sequences.read(texts, signal);
    const prompted = logits.map(([last = new Float32Array()], sequence) => ({ sequence, logits: last }));
    const answers = await answerSequences(sequences, prompted, { maxTokens, stopIds: tokenizer.eosIds, ...stop });
    return answers.map(({ ids, finish }) => ({ text: tokenizer.decode(ids, { skipSpecial: true }).trim(), finish }));
  } finally {
    sequences.release();
  }
}

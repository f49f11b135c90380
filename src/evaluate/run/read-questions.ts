import { answerSequences } from "../../generate/answer-sequences.ts";
import { Sequences, type SequenceStart } from "../../generate/sequences.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import type { AskedQuestion } from "./question.ts";

/** A question that is put to one cache. */
export interface Asking {
  readonly start: SequenceStart;
  readonly question: Pick<AskedQuestion, "questionIds" | "answerIds">;
  /** 0 for the gold answer's logits alone. */
  readonly maxNewTokens: number;
}

/** What a cache makes of one question. */
export interface Reading {
  /** At every token of `answerIds`, [vocabulary] each. */
  readonly goldLogits: readonly Float32Array[];
  readonly answerIds: readonly number[];
  readonly finish: "stop" | "length";
}

export interface ReadingOptions {
  /** Tokens that end an answer; the model's own by default. */
  readonly stopIds?: readonly number[];
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads questions side by side, each on its own cache: first with its gold answer, then, the gold answer forgotten, greedily on from the
 * question.
 * @param askings those that answer have the same limit
 */
export async function readQuestions(
  model: LanguageModel,
  askings: readonly Asking[],
  { stopIds = model.files.tokenizer.eosIds, signal }: ReadingOptions = {},
): Promise<Reading[]> {
  const goldTokens = Math.max(
    ...askings.map(({ question: { questionIds, answerIds } }) => questionIds.length + answerIds.length),
  );
  const maxTokens = Math.max(...askings.map(({ maxNewTokens }) => maxNewTokens));
  const sequences = await Sequences.open(
    model,
    askings.map(({ start }) => start),
    goldTokens + maxTokens,
  );
  try {
    const logits = await sequences.read(
      askings.map(({ question: { questionIds, answerIds } }, sequence) => ({
        sequence,
        ids: [...questionIds, ...answerIds.slice(0, -1)],
        logitsFrom: questionIds.length - 1,
      })),
      signal,
    );
    const readings = logits.map((goldLogits): Reading => ({ goldLogits, answerIds: [], finish: "length" }));
    const answering = askings.flatMap(({ question: { answerIds }, maxNewTokens }, sequence) => {
      if (maxNewTokens === 0) return [];
      sequences.forget(sequence, answerIds.length - 1);
      return [{ sequence, logits: logits[sequence]?.[0] ?? new Float32Array() }];
    });
    const answers = await answerSequences(sequences, answering, {
      maxTokens,
      stopIds,
      ...(signal === undefined ? {} : { signal }),
    });
    answering.forEach(({ sequence }, i) => {
      const { ids, finish } = answers[i] ?? { ids: [], finish: "length" };
      readings[sequence] = { goldLogits: logits[sequence] ?? [], answerIds: ids, finish };
    });
    return readings;
  } finally {
    sequences.release();
  }
}

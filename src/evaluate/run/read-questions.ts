import { answerBranches } from "../../generate/answer-branches.ts";
import { Branches } from "../../generate/branches.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import type { LayerCache } from "../../models/layer-cache.ts";
import type { AskedQuestion } from "./question.ts";

/** What a cache makes of one question. */
export interface Reading {
  /** At every token of `answerIds`, [vocabulary] each. */
  readonly goldLogits: readonly Float32Array[];
  readonly answerIds: readonly number[];
  readonly finish: "stop" | "length";
}

export interface ReadingOptions {
  /** 0 for the gold answer's logits alone. */
  readonly maxNewTokens: number;
  readonly signal?: AbortSignal;
}

/**
 * Reads questions side by side on one cache, which is as before afterwards: first each with its gold answer, then, the gold answer
 * forgotten, greedily on from the question.
 */
export async function readQuestions(
  model: LanguageModel,
  cache: LayerCache,
  questions: readonly Pick<AskedQuestion, "questionIds" | "answerIds">[],
  { maxNewTokens, signal }: ReadingOptions,
): Promise<Reading[]> {
  const branches = new Branches(model, cache);
  try {
    const logits = await branches.read(
      questions.map(({ questionIds, answerIds }, branch) => ({
        branch,
        ids: [...questionIds, ...answerIds.slice(0, -1)],
        logitsFrom: questionIds.length - 1,
      })),
      signal,
    );
    questions.forEach(({ answerIds }, branch) => {
      branches.forget(branch, answerIds.length - 1);
    });
    const first = logits.map((rows) => rows[0] ?? new Float32Array());
    const answers = await answerBranches(branches, first, {
      maxTokens: maxNewTokens,
      stopIds: model.files.tokenizer.eosIds,
      ...(signal === undefined ? {} : { signal }),
    });
    return answers.map(({ ids, finish }, i) => ({ goldLogits: logits[i] ?? [], answerIds: ids, finish }));
  } finally {
    branches.end();
  }
}

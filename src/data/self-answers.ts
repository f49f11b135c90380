import { answerBranches, type BranchAnswer } from "../generate/answer-branches.ts";
import { Branches } from "../generate/branches.ts";
import type { LanguageModel } from "../models/language-model.ts";
import type { PassagePrompt } from "../models/passage-prompt.ts";

export interface SelfAnswer extends Pick<BranchAnswer, "finish"> {
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
  const contextIds = prompt.contextIds(passage.context);
  const cache = await model.newCache(contextIds.length);
  try {
    await model.forward({ ids: contextIds, cache, ...(signal === undefined ? {} : { signal }) });
    const branches = new Branches(model, cache);
    const asked = passage.questions.map((question, branch) => {
      const ids = prompt.questionIds(question);
      return { branch, ids, logitsFrom: ids.length - 1 };
    });
    const first = (await branches.read(asked, signal)).map(([logits]) => logits ?? new Float32Array());
    const { tokenizer } = model.files;
    const answers = await answerBranches(branches, first, {
      maxTokens,
      stopIds: tokenizer.eosIds,
      ...(signal === undefined ? {} : { signal }),
    });
    return answers.map(({ ids, finish }) => ({ text: tokenizer.decode(ids, { skipSpecial: true }).trim(), finish }));
  } finally {
    cache.release();
  }
}

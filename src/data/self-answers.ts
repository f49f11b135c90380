import { answerBranches, type BranchAnswer } from "../generate/answer-branches.ts";
import { Branches } from "../generate/branches.ts";
import type { LanguageModel } from "../models/language-model.ts";
import type { LayerCache } from "../models/layer-cache.ts";
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
  const cache = await model.newCache();
  try {
    await model.forward({ ids: contextIds, cache, ...(signal === undefined ? {} : { signal }) });
    const asked = passage.questions.map((question) => prompt.questionIds(question));
    return await greedyAnswers(model, cache, asked, { maxTokens, ...(signal === undefined ? {} : { signal }) });
  } finally {
    cache.release();
  }
}

/**
 * Greedy answers to several prompts that each continue a cache on their own; the cache is left as it was.
 * @param asked ids of each prompt, to the start of the answer or some words into it
 * @throws KvDistillError as `selfAnswers`
 */
export async function greedyAnswers(
  model: LanguageModel,
  cache: LayerCache,
  asked: readonly (readonly number[])[],
  { maxTokens, signal }: { readonly maxTokens: number; readonly signal?: AbortSignal },
): Promise<SelfAnswer[]> {
  const branches = new Branches(model, cache);
  const texts = asked.map((ids, branch) => ({ branch, ids, logitsFrom: ids.length - 1 }));
  const first = (await branches.read(texts, signal)).map(([logits]) => logits ?? new Float32Array());
  const { tokenizer } = model.files;
  const answers = await answerBranches(branches, first, {
    maxTokens,
    stopIds: tokenizer.eosIds,
    ...(signal === undefined ? {} : { signal }),
  });
  branches.end();
  return answers.map(({ ids, finish }) => ({ text: tokenizer.decode(ids, { skipSpecial: true }).trim(), finish }));
}

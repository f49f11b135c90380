import { KvDistillError } from "../util/errors.ts";
import type { Branches } from "./branches.ts";
import { argmax } from "./sample.ts";

export interface BranchAnswer {
  /** Without the stop token. */
  readonly ids: readonly number[];
  /** A stop token was chosen, or the limit came first. */
  readonly finish: "stop" | "length";
}

export interface AnswerOptions {
  readonly maxTokens: number;
  readonly stopIds: readonly number[];
  readonly signal?: AbortSignal;
}

/**
 * Greedy answers of all branches, one token of each at a time.
 * @param first logits after the prompt of branch 0, 1, … [vocabulary] each
 * @throws KvDistillError `not-finite` when logits are not numbers, and what `Branches.read` throws
 */
export async function answerBranches(
  branches: Branches,
  first: readonly Float32Array[],
  { maxTokens, stopIds, signal }: AnswerOptions,
): Promise<BranchAnswer[]> {
  const answers = first.map((): { ids: number[]; finish: BranchAnswer["finish"] } => ({ ids: [], finish: "length" }));
  let open = first.map((logits, branch) => ({ branch, logits }));
  for (let count = 0; count < maxTokens; count++) {
    const next = open.flatMap(({ branch, logits }) => {
      const id = argmax(logits);
      const answer = answers[branch];
      if (!Number.isFinite(logits[id])) throw new KvDistillError("not-finite", "the model's logits are not numbers");
      if (answer === undefined) return [];
      if (stopIds.includes(id)) {
        answer.finish = "stop";
        return [];
      }
      answer.ids.push(id);
      return [{ branch, ids: [id], logitsFrom: 0 }];
    });
    if (next.length === 0 || count + 1 === maxTokens) break;
    const logits = await branches.read(next, signal);
    open = next.map(({ branch }, i) => ({ branch, logits: logits[i]?.[0] ?? new Float32Array() }));
  }
  return answers;
}

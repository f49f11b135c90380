import { KvDistillError } from "../util/errors.ts";
import { argmax } from "./sample.ts";
import type { Sequences } from "./sequences.ts";

export interface SequenceAnswer {
  /** Without the stop token. */
  readonly ids: readonly number[];
  /** A stop token was chosen, or the limit came first. */
  readonly finish: "stop" | "length";
}

/** A sequence that has read its prompt. */
export interface Prompted {
  readonly sequence: number;
  /** After the prompt, [vocabulary]. */
  readonly logits: Float32Array;
}

export interface AnswerOptions {
  readonly maxTokens: number;
  readonly stopIds: readonly number[];
  readonly signal?: AbortSignal;
}

/**
 * Greedy answers of several sequences, one token of each at a time. Sequences that have ended are freed as the open ones become few; none
 * can be read on afterwards.
 * @throws KvDistillError `not-finite` when logits are not numbers, and what `Sequences.read` throws
 */
export async function answerSequences(
  sequences: Sequences,
  prompted: readonly Prompted[],
  { maxTokens, stopIds, signal }: AnswerOptions,
): Promise<SequenceAnswer[]> {
  const answers = prompted.map((): { ids: number[]; finish: SequenceAnswer["finish"] } => ({
    ids: [],
    finish: "length",
  }));
  let open = prompted.map((own, index) => ({ ...own, index }));
  for (let count = 0; count < maxTokens; count++) {
    const next = open.flatMap(({ sequence, logits, index }) => {
      const id = argmax(logits);
      const answer = answers[index];
      if (!Number.isFinite(logits[id])) throw new KvDistillError("not-finite", "the model's logits are not numbers");
      if (answer === undefined) return [];
      if (stopIds.includes(id)) {
        answer.finish = "stop";
        return [];
      }
      answer.ids.push(id);
      return [{ sequence, index, ids: [id], logitsFrom: 0 }];
    });
    if (next.length === 0 || count + 1 === maxTokens) break;
    // Freeing copies what stays, so it is worth it only for several.
    if (4 * next.length <= 3 * sequences.count) await sequences.keep(next.map(({ sequence }) => sequence));
    const logits = await sequences.read(next, signal);
    open = next.map(({ sequence, index }, i) => ({ sequence, index, logits: logits[i]?.[0] ?? new Float32Array() }));
  }
  return answers;
}

import { argmax, checkLogit } from "./sample.ts";
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

/** A sequence while it is answered. */
interface Answering {
  readonly sequence: number;
  /** What was chosen last. */
  id: number;
  readonly ids: number[];
  finish: SequenceAnswer["finish"];
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
  const all = prompted.map(({ sequence, logits }): Answering => ({
    sequence,
    id: likeliest(logits),
    ids: [],
    finish: "length",
  }));
  let open = all;
  for (let count = 0; count < maxTokens; count++) {
    open = open.filter((own) => {
      if (stopIds.includes(own.id)) own.finish = "stop";
      else own.ids.push(own.id);
      return own.finish !== "stop";
    });
    if (open.length === 0 || count + 1 === maxTokens) break;
    // Freeing copies what stays, so it is worth it only for several.
    if (4 * open.length <= 3 * sequences.count) await sequences.keep(open.map(({ sequence }) => sequence));
    const chosen = await sequences.choose(open, signal);
    open.forEach((own, i) => (own.id = chosen[i] ?? own.id));
  }
  return all.map(({ ids, finish }) => ({ ids, finish }));
}

function likeliest(logits: Float32Array): number {
  const id = argmax(logits);
  checkLogit(logits[id]);
  return id;
}

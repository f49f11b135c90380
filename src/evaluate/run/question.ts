import type { Passage } from "../../data/passage.ts";
import type { PassagePrompt } from "../../models/passage-prompt.ts";

/** One question as the model reads it. */
export interface AskedQuestion {
  /** Place in the run, from 0. */
  readonly sample: number;
  readonly id: string;
  readonly golds: readonly string[];
  readonly questionIds: readonly number[];
  /** The first gold answer and the token that ends it. */
  readonly answerIds: readonly number[];
}

/** A passage with its questions, and where they stand in the run. */
export interface PassageTask {
  /** Place of the passage in the run, from 0. */
  readonly index: number;
  /** Place of its first question in the run, from 0. */
  readonly firstSample: number;
  readonly passage: Passage;
}

export function askedQuestions({ passage, firstSample }: PassageTask, prompt: PassagePrompt): AskedQuestion[] {
  return passage.questions.map(({ id, question, answers }, i) => ({
    sample: firstSample + i,
    id,
    golds: answers,
    questionIds: prompt.questionIds(question),
    answerIds: prompt.answerIds(answers[0] ?? ""),
  }));
}

/** Positions that a question needs after the context, for its gold answer and for the longest answer. */
export function tokensNeeded({ questionIds, answerIds }: AskedQuestion, maxNewTokens: number): number {
  // The last token of an answer is never read.
  return questionIds.length + Math.max(answerIds.length, maxNewTokens) - 1;
}

/** More side by side save little: from here on the step is bound by arithmetic. */
const MOST_TOGETHER = 8;
const MOST_TOKENS = 512;

/**
 * Cuts the questions of a passage into groups. It depends on the questions alone, never on what is left to do: how many are read
 * together shifts logits in the last digits, and a resumed run must give what the straight run gives.
 */
export function groupQuestions(questions: readonly AskedQuestion[]): AskedQuestion[][] {
  const groups: AskedQuestion[][] = [];
  let tokens = 0;
  for (const question of questions) {
    const own = question.questionIds.length + question.answerIds.length;
    const last = groups.at(-1);
    if (last !== undefined && last.length < MOST_TOGETHER && tokens + own <= MOST_TOKENS) {
      last.push(question);
      tokens += own;
    } else {
      groups.push([question]);
      tokens = own;
    }
  }
  return groups;
}

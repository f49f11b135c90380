import type { PassagePrompt } from "../../models/passage-prompt.ts";
import { givenText } from "../../models/passage-prompt.ts";
import type { Tokenizer } from "../../models/tokenizer.ts";
import { KvDistillError } from "../../util/errors.ts";
import type { TaskPassage, TaskQuestion } from "../tasks/task.ts";

/** One question as the model reads it. */
export interface AskedQuestion {
  /** Place in the run, from 0. */
  readonly sample: number;
  readonly question: TaskQuestion;
  readonly questionIds: readonly number[];
  /** The first gold answer and the token that ends it, or as much of them as is compared. */
  readonly answerIds: readonly number[];
  /** The tokens that a multiple-choice answer may begin with. */
  readonly letterIds: readonly number[];
}

/** A passage with its questions, and where they stand in the run. */
export interface PassageTask {
  /** Place of the passage in the run, from 0. */
  readonly index: number;
  /** Place of its first question in the run, from 0. */
  readonly firstSample: number;
  readonly passage: TaskPassage;
}

export interface AskingOptions {
  readonly prompt: PassagePrompt;
  readonly tokenizer: Tokenizer;
  /** Tokens of a gold answer at most. */
  readonly goldTokens: number;
}

/** @throws KvDistillError `unsupported` when the tokenizer has no single token for a letter */
export function askedQuestions(
  { passage, firstSample }: PassageTask,
  { prompt, tokenizer, goldTokens }: AskingOptions,
): AskedQuestion[] {
  return passage.questions.map((question, i) => {
    const { answerPrefix, answers, letters = [] } = question;
    const prefixIds = answerPrefix === undefined ? [] : tokenizer.encodeParts([givenText(answerPrefix)]);
    return {
      sample: firstSample + i,
      question,
      questionIds: [...prompt.questionIds(question.question), ...prefixIds],
      answerIds: goldIds(answers[0] ?? "", answerPrefix, prompt, tokenizer).slice(0, goldTokens),
      letterIds: letters.map((letter) => letterId(letter, prompt)),
    };
  });
}

/** After a prefix the answer goes on in the same line, so its first word is the one with the space. */
function goldIds(gold: string, prefix: string | undefined, prompt: PassagePrompt, tokenizer: Tokenizer): number[] {
  if (prefix === undefined) return prompt.answerIds(gold);
  return [...tokenizer.encodeParts([givenText(` ${gold.trim()}`)]), prompt.endOfTurnId];
}

function letterId(letter: string, prompt: PassagePrompt): number {
  const [id, end, ...more] = prompt.answerIds(letter);
  if (id !== undefined && end !== undefined && more.length === 0) return id;
  throw new KvDistillError("unsupported", "the tokenizer has no single token for an option's letter", { got: letter });
}

/** Positions that a question needs after the context, for its gold answer and for the longest answer. */
export function tokensNeeded(
  { questionIds, answerIds }: Pick<AskedQuestion, "questionIds" | "answerIds">,
  maxNewTokens: number,
): number {
  // The last token of an answer is never read.
  return questionIds.length + Math.max(answerIds.length, maxNewTokens) - 1;
}

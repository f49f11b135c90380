import { KvDistillError } from "../util/errors.ts";
import type { Passage, Question } from "./passage.ts";
import type { PassagePrompt, QuestionStyle } from "../models/passage-prompt.ts";

/** One thing read from an encoded context. */
export interface ReadTurn {
  readonly kind: "question" | "reconstruction";
  readonly questionIds: readonly number[];
  readonly answerIds: readonly number[];
}

/** A passage as the model sees it: the context is encoded once, every turn reads it on its own. */
export interface PassageExample {
  readonly id: string;
  readonly source: string;
  readonly contextIds: readonly number[];
  readonly turns: readonly ReadTurn[];
}

export interface ExampleLimits {
  /** Tokens, template header included. */
  readonly minContextTokens: number;
  readonly maxContextTokens: number;
  readonly maxQuestionTokens: number;
  /** The token that ends the answer included. */
  readonly maxAnswerTokens: number;
  /** Questions in one example; a passage with more becomes several examples, so that none is lost. */
  readonly maxQuestions: number;
  /** Tokens of the passage's start to be repeated as one more turn of every example; 0 for none. */
  readonly reconstructionTokens: number;
}

/** A passage or question left out, and why; nothing is ever cut to fit. */
export interface LeftOut {
  readonly reason: "context-too-short" | "context-too-long" | "question-too-long" | "answer-too-long";
  /** Id of the passage or question. */
  readonly id: string;
  readonly tokens: number;
  readonly limit: number;
}

/**
 * Tokenises passages. What is over or under a limit goes to `onLeftOut`: a context with all its questions, a question or
 * answer alone; a passage whose every question was left out gives no example.
 * @param styled prompts for questions that say how they are put; `prompt` is for the others
 * @throws KvDistillError `bad-argument` for impossible limits.
 */
export async function* tokenizePassages(
  passages: AsyncIterable<Passage> | Iterable<Passage>,
  prompt: PassagePrompt,
  limits: ExampleLimits,
  onLeftOut: (leftOut: LeftOut) => void,
  styled: Partial<Readonly<Record<QuestionStyle, PassagePrompt>>> = {},
): AsyncGenerator<PassageExample> {
  checkLimits(limits);
  const promptOf: PromptOf = ({ style }) => (style === undefined ? undefined : styled[style]) ?? prompt;
  for await (const passage of passages) yield* examplesOf(passage, prompt, promptOf, limits, onLeftOut);
}

type PromptOf = (question: Pick<Question, "style">) => PassagePrompt;

function examplesOf(
  passage: Passage,
  prompt: PassagePrompt,
  promptOf: PromptOf,
  limits: ExampleLimits,
  onLeftOut: (leftOut: LeftOut) => void,
): PassageExample[] {
  const { id, source } = passage;
  const contextIds = prompt.contextIds(passage.context);
  const reason = contextFault(contextIds.length, limits);
  if (reason !== undefined) {
    const limit = reason === "context-too-long" ? limits.maxContextTokens : limits.minContextTokens;
    onLeftOut({ reason, id, tokens: contextIds.length, limit });
    return [];
  }
  const turns = questionTurns(passage, promptOf, limits, onLeftOut);
  const reconstruction: ReadTurn[] =
    limits.reconstructionTokens === 0
      ? []
      : [
          {
            kind: "reconstruction",
            questionIds: prompt.reconstructionIds,
            answerIds: prompt.reconstructionAnswerIds(passage.context, limits.reconstructionTokens),
          },
        ];
  const examples: PassageExample[] = [];
  for (let start = 0; start < turns.length; start += limits.maxQuestions) {
    const own = turns.slice(start, start + limits.maxQuestions);
    const part = start === 0 ? "" : `#${start / limits.maxQuestions + 1}`;
    examples.push({ id: `${id}${part}`, source, contextIds, turns: [...own, ...reconstruction] });
  }
  return examples;
}

function questionTurns(
  passage: Passage,
  promptOf: PromptOf,
  limits: ExampleLimits,
  onLeftOut: (leftOut: LeftOut) => void,
): ReadTurn[] {
  const turns: ReadTurn[] = [];
  for (const asked of passage.questions) {
    const { id, question, answers, answerCut = false } = asked;
    const prompt = promptOf(asked);
    const questionIds = prompt.questionIds(question);
    const ended = prompt.answerIds(answers[0] ?? "");
    const answerIds = answerCut ? ended.slice(0, -1) : ended;
    if (questionIds.length > limits.maxQuestionTokens) {
      onLeftOut({ reason: "question-too-long", id, tokens: questionIds.length, limit: limits.maxQuestionTokens });
    } else if (answerIds.length > limits.maxAnswerTokens) {
      onLeftOut({ reason: "answer-too-long", id, tokens: answerIds.length, limit: limits.maxAnswerTokens });
    } else {
      turns.push({ kind: "question", questionIds, answerIds });
    }
  }
  return turns;
}

function contextFault(tokens: number, limits: ExampleLimits): "context-too-short" | "context-too-long" | undefined {
  if (tokens < limits.minContextTokens) return "context-too-short";
  return tokens > limits.maxContextTokens ? "context-too-long" : undefined;
}

function checkLimits(limits: ExampleLimits): void {
  const faults = Object.entries(limits as unknown as Record<string, unknown>)
    .filter(([name, value]) => !Number.isInteger(value) || Number(value) < (name === "reconstructionTokens" ? 0 : 1))
    .map(([name, value]) => `${name}: expected a whole number of tokens or questions, got ${String(value)}`);
  if (limits.minContextTokens > limits.maxContextTokens) faults.push("minContextTokens is over maxContextTokens");
  if (faults.length > 0) throw new KvDistillError("bad-argument", "limits of the training examples", { faults });
}

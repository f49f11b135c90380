import type { LanguageModel } from "../../models/language-model.ts";
import type { PassagePrompt, QuestionStyle } from "../../models/passage-prompt.ts";
import { greedyAnswers, readWhole, type SelfAnswer } from "../self-answers.ts";

/** Words that questions begin with: greedy decoding asks one question, a different beginning another. */
export const OPENERS = ["What", "Who", "Where", "When", "Why", "How"] as const;
export type Opener = (typeof OPENERS)[number];

/** What the model is told to do. */
const ASK = "Write one question that the text above answers.";

export interface AskedItself extends SelfAnswer {
  readonly question: string;
}

export interface AskItselfOptions {
  readonly openers: readonly Opener[];
  readonly maxQuestionTokens: number;
  readonly maxAnswerTokens: number;
  readonly signal?: AbortSignal;
}

/**
 * Questions that the model asks about a passage, and its greedy answers from the full passage. Undefined for an opener that leads to no
 * question mark within the limit, or to a question that an earlier one led to.
 * @throws KvDistillError as `selfAnswers`
 */
export async function askItself(
  model: LanguageModel,
  prompts: Readonly<Record<QuestionStyle, PassagePrompt>>,
  context: string,
  { openers, maxQuestionTokens, maxAnswerTokens, signal }: AskItselfOptions,
): Promise<(AskedItself | undefined)[]> {
  const stop = signal === undefined ? {} : { signal };
  const { plain, "short-answer": answering } = prompts;
  const { tokenizer } = model.files;
  const start = await readWhole(model, plain.contextIds(context), stop);
  const begun = openers.map((opener) => [
    ...plain.questionIds(ASK),
    ...tokenizer.encodeParts([{ text: opener, special: "plain" }]),
  ]);
  const written = await greedyAnswers(model, start, begun, { maxTokens: maxQuestionTokens, ...stop });
  // The decoded text begins after the opener; a letter right there goes on with its word.
  const questions = openers.map((opener, i) => questionIn(opener, written[i]?.text ?? ""));
  const different = [...new Set(questions.flatMap((question) => question ?? []))];
  const ids = different.map((question) => answering.questionIds(question));
  const answers =
    ids.length === 0 ? [] : await greedyAnswers(model, start, ids, { maxTokens: maxAnswerTokens, ...stop });
  return questions.map((question, i) => {
    const answer = answers[different.indexOf(question ?? "")];
    const repeated = questions.indexOf(question) < i;
    return question === undefined || answer === undefined || repeated ? undefined : { question, ...answer };
  });
}

/** The first line up to its first question mark; undefined without one, and for a question of no words. */
function questionIn(opener: Opener, rest: string): string | undefined {
  const [line = ""] = rest.split("\n");
  const end = line.indexOf("?");
  if (end < 1) return undefined;
  const asked = line.slice(0, end + 1).trim();
  // "Who" + "'s", "What" + " is": what was trimmed off in front was a space unless a word goes on.
  return /^['’]/u.test(asked) ? `${opener}${asked}` : `${opener} ${asked}`;
}

import { KvDistillError } from "../util/errors.ts";
import { quote } from "../util/quote.ts";
import type { TextPart } from "./tokenizer.ts";

export interface PromptMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

/** Messages as the one text that the model was trained to read: the model's own chat template, filled in. */
export type RenderMessages = (
  messages: readonly PromptMessage[],
  options: { readonly addGenerationPrompt: boolean },
) => string;

/** What the prompt needs of a model, and what a person may choose. */
export interface PromptParts {
  readonly render: RenderMessages;
  /** Ids of a text made of parts, as it stands: no special tokens are added. */
  readonly encode: (parts: readonly TextPart[]) => readonly number[];
  /** Every id that ends a generation. */
  readonly stopIds: readonly number[];
  /** What follows the document in the user's message. */
  readonly ask: (question: string) => string;
  /** Left out: what the template itself puts there. */
  readonly system?: string;
}

/**
 * A conversation about a document, cut where the compressed span ends: the header and the document are the context,
 * encoded once; everything from after the document to the start of the answer is the question.
 */
export interface PassagePrompt {
  /** The template's text in front of the document. */
  readonly header: string;
  /** The id that ends an answer. */
  readonly endOfTurnId: number;
  /** Header and document, without white space around the document. */
  contextIds(context: string): number[];
  /** From after the document to the assistant's start. */
  questionIds(question: string): number[];
  /** The same for the request to repeat the document. */
  readonly reconstructionIds: readonly number[];
  /** The answer, without white space around it, and the id that ends it. */
  answerIds(answer: string): number[];
  /** The first `tokens` ids of the document, unended. */
  reconstructionAnswerIds(context: string, tokens: number): number[];
}

/** Ways to ask, by name: what is written after the document. */
export const QUESTION_STYLES = {
  "short-answer": (question: string) => `\n\nQuestion: ${question}\nAnswer with a short phrase from the text.`,
  plain: (question: string) => `\n\n${question}`,
} as const;
export type QuestionStyle = keyof typeof QUESTION_STYLES;

const REPEAT = "\n\nRepeat the text above word for word.";

// Stand-ins for what is filled in later: no template has a rule for them, and none is a part of another.
const DOCUMENT = "DOCUMENTSTANDIN";
const QUESTION = "QUESTIONSTANDIN";
const ANSWER = "ANSWERSTANDIN";

/** The template's own text: its special tokens are control tokens. */
export const templateText = (text: string): TextPart => ({ text, special: "parse" });

/** A person's text: special tokens written in it are letters. */
export const givenText = (text: string): TextPart => ({ text, special: "plain" });

/**
 * The prompt of a model, found by rendering its template with stand-ins and cutting at them. Documents, questions and
 * answers are put in by joining text, never by the template, so nothing in them is read as template code, nor as a
 * control token.
 * @throws KvDistillError `unsupported` when the template does not keep the user's text in one piece, or does not end an
 * answer with one of `stopIds`; whatever `render` throws.
 */
export function createPassagePrompt(parts: PromptParts): PassagePrompt {
  const { encode } = parts;
  const system: PromptMessage[] = parts.system === undefined ? [] : [{ role: "system", content: parts.system }];
  const userTurn = (text: string): PromptMessage[] => [...system, { role: "user", content: DOCUMENT + text }];
  const rendered = (text: string) => parts.render(userTurn(text), { addGenerationPrompt: true });

  const [header, asked] = cutAt(rendered(parts.ask(QUESTION)), DOCUMENT);
  const [beforeQuestion, afterQuestion] = cutAt(asked, QUESTION);
  const [repeatHeader, repeat] = cutAt(rendered(REPEAT), DOCUMENT);
  if (repeatHeader !== header) throw unsupported("what it puts in front of a document depends on the question");
  const answered = [...userTurn(REPEAT), { role: "assistant", content: ANSWER } as const];
  const [, closing] = cutAt(parts.render(answered, { addGenerationPrompt: false }), ANSWER);
  const endOfTurnId = encode([templateText(closing)]).find((id) => parts.stopIds.includes(id));
  if (endOfTurnId === undefined) {
    throw unsupported(`it ends an answer with ${quote(closing)}, which holds none of the model's stop tokens`);
  }

  return {
    header,
    endOfTurnId,
    contextIds: (context) => [...encode([templateText(header), givenText(context.trim())])],
    questionIds: (question) => [
      ...encode([templateText(beforeQuestion), givenText(question.trim()), templateText(afterQuestion)]),
    ],
    reconstructionIds: encode([templateText(repeat)]),
    answerIds: (answer) => [...encode([givenText(answer.trim())]), endOfTurnId],
    reconstructionAnswerIds: (context, tokens) => encode([givenText(context.trim())]).slice(0, tokens),
  };
}

/** The text before and after the one place where `standIn` is. */
function cutAt(text: string, standIn: string): [string, string] {
  const [before, after, ...more] = text.split(standIn);
  if (before === undefined || after === undefined || more.length > 0) {
    throw unsupported(`it renders a part of a message ${more.length === 0 ? "nowhere" : "more than once"}`);
  }
  return [before, after];
}

function unsupported(why: string): KvDistillError {
  return new KvDistillError("unsupported", "the chat template cannot be used for passages", {
    got: why,
    hint: "use a model whose template renders messages in order, each once",
  });
}

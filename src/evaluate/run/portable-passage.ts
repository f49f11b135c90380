import { z } from "zod";
import { boundedList } from "../../util/bounded-list.ts";
import { METRIC_NAMES, type Scores } from "../metrics/names.ts";
import type { PromptStyle } from "../tasks/task.ts";
import type { PassageTask } from "./question.ts";
import { type SampleRow, sampleRowSchema } from "./sample-row.ts";

/** Where the question goes in a style's text. No question holds it. */
const QUESTION = "\0QUESTION\0";

/** Key under which scores, and with them their row, carry what was generated. No field of a row can be taken for it, nor does JSON hold it. */
const WRITTEN = Symbol("written");

/** A passage without its scoring, as data: what another machine needs to read it and to answer. */
export const portablePassageSchema = z.strictObject({
  index: z.int().min(0),
  firstSample: z.int().min(0),
  id: z.string(),
  source: z.string(),
  context: z.string(),
  maxNewTokens: z.int().min(1).optional(),
  style: z.strictObject({ name: z.string(), chat: z.boolean(), before: z.string(), after: z.string() }),
  questions: boundedList(
    z.strictObject({
      id: z.string(),
      question: z.string(),
      answers: boundedList(z.string()),
      answerPrefix: z.string().optional(),
      letters: boundedList(z.string()).optional(),
      facts: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
    }),
  ),
});
export type PortablePassage = Readonly<z.infer<typeof portablePassageSchema>>;

/** A row whose measures are still zeros, and all that was generated, white space and all; null where it failed. */
export const unscoredRowSchema = z.strictObject({ row: sampleRowSchema, written: z.string().nullable() });
export type UnscoredRow = Readonly<z.infer<typeof unscoredRowSchema>>;

/** @param usual the task's style */
export function portablePassage({ index, firstSample, passage }: PassageTask, usual: PromptStyle): PortablePassage {
  const { id, source, context, maxNewTokens, style = usual, questions } = passage;
  const [before = "", after = ""] = style.ask(QUESTION).split(QUESTION);
  return {
    index,
    firstSample,
    id,
    source,
    context,
    ...(maxNewTokens === undefined ? {} : { maxNewTokens }),
    style: { name: style.name, chat: style.chat, before, after },
    questions: questions.map(({ id, question, answers, answerPrefix, letters, facts }) => ({
      id,
      question,
      answers: [...answers],
      ...(answerPrefix === undefined ? {} : { answerPrefix }),
      ...(letters === undefined ? {} : { letters: [...letters] }),
      ...(facts === undefined ? {} : { facts }),
    })),
  };
}

/**
 * The passage as a task that scores nothing: every measure is 0. Its rows go through `unscoredRow`.
 * @param metrics names of the task's measures
 */
export function unscoredTask(
  { index, firstSample, style, questions, maxNewTokens, ...passage }: PortablePassage,
  metrics: readonly string[],
): PassageTask {
  const zeros = Object.fromEntries(metrics.map((name) => [name, 0])) as Scores;
  const { name, chat, before, after } = style;
  return {
    index,
    firstSample,
    passage: {
      ...passage,
      ...(maxNewTokens === undefined ? {} : { maxNewTokens }),
      style: { name, chat, ask: (question) => before + question + after },
      questions: questions.map(({ answerPrefix, letters, facts, ...question }) => ({
        ...question,
        ...(answerPrefix === undefined ? {} : { answerPrefix }),
        ...(letters === undefined ? {} : { letters }),
        ...(facts === undefined ? {} : { facts }),
        score: ({ written }) => ({ ...zeros, [WRITTEN]: written }),
      })),
    },
  };
}

/** A row of an `unscoredTask`. */
export function unscoredRow(row: SampleRow): UnscoredRow {
  const { [WRITTEN]: written } = row as SampleRow & { readonly [WRITTEN]?: string };
  return { row, written: written ?? null };
}

/** The row as the task scores it, field for field as if it had been made here. A failed one keeps its zeros. */
export function scoredRow({ row, written }: UnscoredRow, { firstSample, passage }: PassageTask): SampleRow {
  const question = passage.questions[row.sample - firstSample];
  if (question === undefined || written === null) return row;
  const scores = Object.entries(question.score({ answer: row.answer, written, choice: row.choice }));
  // In the place of the zeros, in the task's own order, so that the line is the same byte for byte.
  let open = true;
  const fields = Object.entries(row).flatMap((field) => {
    if (!(METRIC_NAMES as readonly string[]).includes(field[0])) return [field];
    const here = open ? scores : [];
    open = false;
    return here;
  });
  return Object.fromEntries(fields) as SampleRow;
}

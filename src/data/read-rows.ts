import { basename } from "node:path";
import { z } from "zod";
import { boundedList } from "../util/bounded-list.ts";
import { QUESTION_STYLES, type QuestionStyle } from "../models/passage-prompt.ts";
import type { QuestionRow, RowFault } from "./passage.ts";
import { readLines } from "./read-lines.ts";

/** Tables that were made into JSON Lines say null where a row lacks a field. */
const maybe = <T>(field: z.ZodType<T>) => field.nullish().transform((value) => value ?? undefined);
const text = z.string().refine((value) => value.trim() !== "", "is blank");

export const rowSchema = z
  .object({
    id: maybe(z.union([text, z.number().transform(String)])),
    source: maybe(text),
    licence: maybe(text),
    context: text,
    question: text,
    answers: maybe(boundedList(text, { least: 1 })),
    answer: maybe(text),
    answer_cut: maybe(z.boolean()),
    style: maybe(z.enum(Object.keys(QUESTION_STYLES) as [QuestionStyle])),
  })
  .refine((row) => (row.answers === undefined) !== (row.answer === undefined), {
    message: "expected one of the fields answer and answers",
  });

/**
 * The rows of a JSON Lines file, plain or gzip: `context`, `question` and `answers` (or one `answer`), with `id` and
 * `source` where the file has them, otherwise `name:line` and the file's name (docs/formats/training-data.md). Other
 * fields are ignored, blank lines too. A malformed row goes to `onFault` and reading goes on.
 * @throws KvDistillError as `readLines`.
 */
export async function* readRows(path: string, onFault: (fault: RowFault) => void): AsyncGenerator<QuestionRow> {
  for await (const { line, value } of readJsonLines(path, rowSchema, onFault)) {
    const name = basename(path);
    yield { id: `${name}:${line}`, source: name, ...rowFields(value) };
  }
}

/** What a row's fields say of it. */
export function rowFields(value: z.infer<typeof rowSchema>): Omit<QuestionRow, "id" | "source"> & Partial<QuestionRow> {
  return {
    ...(value.id === undefined ? {} : { id: value.id }),
    ...(value.source === undefined ? {} : { source: value.source }),
    ...(value.licence === undefined ? {} : { licence: value.licence }),
    context: value.context,
    question: value.question,
    answers: value.answers ?? (value.answer === undefined ? [] : [value.answer]),
    ...(value.answer_cut === true ? { answerCut: true } : {}),
    ...(value.style === undefined ? {} : { style: value.style }),
  };
}

/**
 * The values of a JSON Lines file that fit a schema, with their lines. What is not JSON or does not fit goes to
 * `onFault`.
 * @throws KvDistillError as `readLines`.
 */
export async function* readJsonLines<T>(
  path: string,
  schema: z.ZodType<T>,
  onFault: (fault: RowFault) => void,
): AsyncGenerator<{ readonly line: number; readonly value: T }> {
  for await (const read of readLines(path)) {
    const { line } = read;
    if ("fault" in read) {
      onFault({ file: path, line, fault: read.fault });
      continue;
    }
    if (read.text.trim() === "") continue;
    const parsed = parseJson(read.text);
    if (parsed === undefined) {
      onFault({ file: path, line, fault: "the line is not JSON" });
      continue;
    }
    const result = schema.safeParse(parsed.json);
    if (result.success) yield { line, value: result.data };
    else onFault({ file: path, line, fault: describe(result.error) });
  }
}

function parseJson(text: string): { readonly json: unknown } | undefined {
  try {
    return { json: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

/** What does not fit a schema, in one line. */
export function describe(error: z.ZodError, at = ""): string {
  return error.issues
    .map(({ path, message }) => (path.length === 0 && at === "" ? message : `${at}${path.join(".")}: ${message}`))
    .join("; ");
}

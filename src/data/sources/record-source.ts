import { basename } from "node:path";
import { z } from "zod";
import type { Place } from "../passage.ts";
import { describe } from "../read-rows.ts";
import { type DataRecord, readRecords } from "./read/read-records.ts";
import type { Source, SourceNotes, SourceRow, UnusedReason } from "./source.ts";

/** What a source makes of a part of a record: a row, or why there is none. */
export type Outcome =
  | RowDraft
  | { readonly unused: UnusedReason; readonly row?: number }
  | { readonly fault: string; readonly row?: number };

/** A row before it is known where it stands. Blank parts make it unused. */
export interface RowDraft extends Partial<Omit<SourceRow, "place">> {
  readonly context: string;
  readonly question: string;
  readonly answers: readonly string[];
  /** Which of the rows in a file that is one JSON value, counted from 1. */
  readonly row?: number;
}

/** How a source turns one record into outcomes; `place` is for what the row's own fields do not tell. */
export type Convert = (value: unknown, place: Place) => Iterable<Outcome>;

/** A source whose rows come out of the records of its files one by one. */
export function recordSource(facts: Omit<Source, "read">, convert: Convert): Source {
  return {
    ...facts,
    async *read(path, notes) {
      for await (const record of readRecords(path, notes)) yield* rowsOf(facts, record, convert, notes);
    },
  };
}

/** The rows of one record; the rest goes to `notes`. */
export function* rowsOf(
  { name, licence }: Pick<Source, "name" | "licence">,
  { value, ...recordPlace }: DataRecord,
  convert: Convert,
  notes: SourceNotes,
): Generator<SourceRow> {
  let count = 0;
  for (const outcome of convert(value, recordPlace)) {
    count++;
    const { row, ...rest } = outcome;
    const place: Place = row === undefined ? recordPlace : { file: recordPlace.file, line: row, unit: "row" };
    if ("fault" in rest) {
      notes.onFault({ ...place, fault: rest.fault });
      continue;
    }
    if ("unused" in rest) {
      notes.onUnused({ ...place, reason: rest.unused });
      continue;
    }
    const reason = unusedReason(rest);
    if (reason !== undefined) {
      notes.onUnused({ ...place, reason });
      continue;
    }
    const part = count === 1 ? "" : `#${count}`;
    yield {
      id: `${basename(place.file)}:${place.line}${row === undefined ? part : ""}`,
      source: name,
      licence,
      ...rest,
      answers: rest.answers.filter(isText),
      place,
    };
  }
}

function unusedReason({ context, question, answers }: RowDraft): UnusedReason | undefined {
  if (!isText(context)) return "no-context";
  if (!isText(question)) return "no-question";
  return answers.some(isText) ? undefined : "no-answer";
}

function isText(text: string): boolean {
  return text.trim() !== "";
}

/** A record as a schema says it is, or the fault that names what is not. */
export function checked<T>(schema: z.ZodType<T>, value: unknown, at = ""): { value: T } | { fault: string } {
  const result = schema.safeParse(value);
  return result.success ? { value: result.data } : { fault: describe(result.error, at) };
}

/** Ids in data files are texts or numbers. */
export const idField = z.union([z.string(), z.number().transform(String)]);

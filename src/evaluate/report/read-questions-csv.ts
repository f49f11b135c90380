import { createReadStream } from "node:fs";
import { diskError, isSystemError } from "../../util/disk-error.ts";
import { KvDistillError } from "../../util/errors.ts";
import type { SampleRow } from "../run/sample-row.ts";
import { csvRecords } from "./csv-records.ts";
import type { QuestionText } from "./csv.ts";

/** What is shown of a question. */
export type ShownQuestion = Pick<QuestionText, "question" | "golds">;

/**
 * The questions and gold answers of a run, by sample, from its predictions.csv, which has a line for each row in the order of the samples.
 * @param rows all of the run, in the order of samples.jsonl
 * @throws KvDistillError `bad-file` when the file is not that of the rows; `disk`
 */
export async function readQuestionTexts(
  path: string,
  rows: readonly SampleRow[],
): Promise<ReadonlyMap<number, ShownQuestion>> {
  const ordered = rows.toSorted((a, b) => a.sample - b.sample);
  const questions = new Map<number, ShownQuestion>();
  let columns: readonly string[] | undefined;
  let place = 0;
  try {
    for await (const record of csvRecords(createReadStream(path, "utf8"), path)) {
      if (columns === undefined) {
        columns = record;
        continue;
      }
      const cell = (name: string): string => record[columns?.indexOf(name) ?? -1] ?? "";
      const row = ordered[place++];
      if (row?.id !== cell("id") || row.method !== cell("press_name")) throw otherRows(path, place);
      if (!questions.has(row.sample))
        questions.set(row.sample, { question: cell("question"), golds: golds(cell("answer")) });
    }
  } catch (error) {
    throw isSystemError(error) ? diskError(error, path, "cannot read the file") : error;
  }
  if (place !== ordered.length) throw otherRows(path, place + 1);
  return questions;
}

function golds(text: string): readonly string[] {
  try {
    const list: unknown = JSON.parse(text);
    if (Array.isArray(list) && list.every((one) => typeof one === "string")) return list;
  } catch {
    // Not a list: one answer, as it stands.
  }
  return [text];
}

function otherRows(path: string, place: number): KvDistillError {
  return new KvDistillError("bad-file", "the predictions are not those of samples.jsonl", {
    where: `${path}, record ${place}`,
    hint: "eval --resume writes them again",
  });
}

import { type FileHandle, open } from "node:fs/promises";
import { z } from "zod";
import { diskError, isSystemError } from "../util/disk-error.ts";
import type { QuestionRow } from "./passage.ts";
import { readJsonLines } from "./read-rows.ts";

/** A file of answered rows that grows passage by passage (docs/formats/training-data.md). */
export interface AnswerFile {
  /** Ids of the questions that were answered when it was opened. */
  readonly answered: ReadonlySet<string>;
  /** Appends rows in one write and waits until they are on the disk. */
  append(rows: readonly AnsweredRow[]): Promise<void>;
  close(): Promise<void>;
}

export interface AnsweredRow extends Omit<QuestionRow, "answers" | "answerCut"> {
  readonly answer: string;
  /** The answer was cut by a limit, so that nothing ends it. */
  readonly answer_cut: boolean;
  /** Name of the model that answered. */
  readonly answered_by: string;
}

const idSchema = z.object({ id: z.string() });

/**
 * Opens an answer file, or makes it. A last line without its newline was being written when the process died: it is taken off.
 * @throws KvDistillError `disk`
 */
export async function openAnswerFile(path: string): Promise<AnswerFile> {
  try {
    const file = await open(path, "a+");
    const bytes = await file.readFile();
    const whole = bytes.lastIndexOf(0x0a) + 1;
    if (whole < bytes.length) await file.truncate(whole);
    const answered = new Set<string>();
    for await (const { value } of readJsonLines(path, idSchema, () => undefined)) answered.add(value.id);
    return { answered, append: (rows) => append(file, rows, path), close: () => file.close() };
  } catch (error) {
    throw isSystemError(error) ? diskError(error, path, "cannot open the answers") : error;
  }
}

async function append(file: FileHandle, rows: readonly AnsweredRow[], path: string): Promise<void> {
  try {
    await file.appendFile(rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    await file.datasync();
  } catch (error) {
    throw isSystemError(error) ? diskError(error, path, "cannot write the answers") : error;
  }
}

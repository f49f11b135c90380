import { z } from "zod";
import { openLineFile } from "../util/line-file.ts";
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
 * Opens an answer file, or makes it; a line that was cut off by a crash is taken off.
 * @throws KvDistillError `disk`
 */
export async function openAnswerFile(path: string): Promise<AnswerFile> {
  const file = await openLineFile(path);
  try {
    const answered = new Set<string>();
    for await (const { value } of readJsonLines(path, idSchema, () => undefined)) answered.add(value.id);
    return { answered, append: (rows) => file.append(rows.map((row) => JSON.stringify(row))), close: file.close };
  } catch (error) {
    await file.close();
    throw error;
  }
}

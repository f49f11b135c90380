import { createHash } from "node:crypto";
import { z } from "zod";
import { openLineFile } from "../../util/line-file.ts";
import type { QuestionRow } from "../passage.ts";
import { readJsonLines } from "../read-rows.ts";

/**
 * A file of rows with a model's answers that grows passage by passage, and beside it `NAME.none`: what was asked and gave no row, so that
 * it is not asked again (docs/preparing-data.md).
 */
export interface AnswerFile {
  /** Keys of all that was asked before the file was opened. */
  readonly asked: ReadonlySet<string>;
  /** Appends rows in one write, and what gave none, and waits until they are on the disk. */
  append(rows: readonly AnsweredRow[], none: readonly NoRow[]): Promise<void>;
  close(): Promise<void>;
}

export interface AnsweredRow extends Omit<QuestionRow, "answers" | "answerCut" | "place"> {
  readonly answer: string;
  /** The answer was cut by a limit, so that nothing ends it. */
  readonly answer_cut: boolean;
  /** Name of the model that answered; absent where the answer is a text's own words. */
  readonly answered_by?: string;
}

/** Something that was asked in vain. */
export interface NoRow {
  readonly id: string;
  /** As of a row that it would have given. */
  readonly key: string;
  readonly reason: "empty-answer" | "no-question";
}

/** What tells a row apart. Ids alone do not: files of one name in several folders give the same, and so do other passages of a text. */
export type KeyOf = (row: Pick<AnsweredRow, "id" | "context" | "question">) => string;

const rowSchema = z.object({ id: z.string(), context: z.string(), question: z.string() });
const noRowSchema = z.object({ key: z.string() });
/** Rows are written with their id first. */
const BEGINS = '{"id":';

export function noRowsPath(path: string): string {
  return `${path}.none`;
}

/** A key of some texts, the same for the same texts. */
export function keyOfTexts(...texts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(texts)).digest("base64url").slice(0, 22);
}

/**
 * Opens an answer file, or makes it; a line that was cut off by a crash is taken off.
 * @throws KvDistillError `bad-argument` when the file holds something else, `disk`
 */
export async function openAnswerFile(path: string, keyOf: KeyOf): Promise<AnswerFile> {
  const rows = await openLineFile(path, BEGINS);
  const none = await openLineFile(noRowsPath(path), BEGINS).catch(async (error: unknown) => {
    await rows.close();
    throw error;
  });
  const close = async (): Promise<void> => {
    await rows.close();
    await none.close();
  };
  try {
    const asked = new Set<string>();
    for await (const { value } of readJsonLines(path, rowSchema, () => undefined)) asked.add(keyOf(value));
    for await (const { value } of readJsonLines(noRowsPath(path), noRowSchema, () => undefined)) asked.add(value.key);
    return {
      asked,
      append: async (given, vain) => {
        await rows.append(given.map((row) => JSON.stringify(row)));
        if (vain.length > 0) await none.append(vain.map((row) => JSON.stringify(row)));
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

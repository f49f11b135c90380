import { z } from "zod";
import { openLineFile } from "../../util/line-file.ts";
import type { QuestionRow } from "../passage.ts";
import { readJsonLines } from "../read-rows.ts";

/**
 * A file of rows with a model's answers that grows passage by passage, and beside it `NAME.none`: what was asked and gave no row, so that
 * it is not asked again (docs/preparing-data.md).
 */
export interface AnswerFile {
  /** Ids of all that was asked before the file was opened. */
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
  readonly reason: "empty-answer" | "no-question";
}

const idSchema = z.object({ id: z.string() });

export function noRowsPath(path: string): string {
  return `${path}.none`;
}

/**
 * Opens an answer file, or makes it; a line that was cut off by a crash is taken off.
 * @throws KvDistillError `disk`
 */
export async function openAnswerFile(path: string): Promise<AnswerFile> {
  const rows = await openLineFile(path);
  const none = await openLineFile(noRowsPath(path)).catch(async (error: unknown) => {
    await rows.close();
    throw error;
  });
  const close = async (): Promise<void> => {
    await rows.close();
    await none.close();
  };
  try {
    const asked = new Set<string>();
    for (const file of [path, noRowsPath(path)]) {
      for await (const { value } of readJsonLines(file, idSchema, () => undefined)) asked.add(value.id);
    }
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

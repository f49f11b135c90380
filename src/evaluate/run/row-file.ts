import { KvDistillError } from "../../util/errors.ts";
import { openLineFile } from "../../util/line-file.ts";
import { conditionOf, rowKey, type SampleRow, sampleRowSchema } from "./sample-row.ts";

/** A file of rows that grows while a run goes on. */
export interface RowFile {
  /** The rows that were there when it was opened. */
  readonly rows: readonly SampleRow[];
  /** Appends rows in one write and waits until they are on the disk. */
  append(rows: readonly SampleRow[]): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens a row file, or makes it; a line that was cut off by a crash is taken off.
 * @throws KvDistillError `bad-file` naming the line of any other malformed or repeated row; `disk`
 */
export async function openRowFile(path: string): Promise<RowFile> {
  const file = await openLineFile(path);
  try {
    return {
      rows: parseRows(file.text, path),
      append: (rows) => file.append(rows.map((row) => JSON.stringify(row))),
      close: file.close,
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function parseRows(text: string, path: string): SampleRow[] {
  const seen = new Set<string>();
  return text
    .split("\n")
    .slice(0, -1)
    .map((line, i) => {
      const row = parseRow(line, `${path}:${i + 1}`);
      const key = rowKey(row.sample, conditionOf(row));
      if (seen.has(key)) {
        throw new KvDistillError("bad-file", "the row is there twice", { where: `${path}:${i + 1}`, got: key });
      }
      seen.add(key);
      return row;
    });
}

/**
 * A line of the file.
 * @throws KvDistillError `bad-file`
 */
export function parseRow(line: string, where: string): SampleRow {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch (cause) {
    throw new KvDistillError("bad-file", "the row is not JSON", { where, cause });
  }
  const result = sampleRowSchema.safeParse(json);
  if (result.success) return result.data;
  const faults = result.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  throw new KvDistillError("bad-file", "the row is wrong", { where, faults });
}

import { join } from "node:path";
import { readLines } from "../../data/read-lines.ts";
import { KvDistillError } from "../../util/errors.ts";
import { pathExists } from "../../util/path-exists.ts";
import { readTextFile } from "../../util/read-text.ts";
import { conditionName } from "../run/conditions.ts";
import { KEPT_FILE } from "../run/kept-file.ts";
import { parseRow } from "../run/row-file.ts";
import { ROWS_FILE } from "../run/run-folder.ts";
import { conditionOf, rowKey, type SampleRow } from "../run/sample-row.ts";
import type { Summary } from "../run/summary.ts";
import { readQuestionTexts, type ShownQuestion } from "./read-questions-csv.ts";
import { parseResult, type StoredResult } from "./stored-result.ts";

export const RESULT_FILE = "result.json";
const PREDICTIONS_FILE = "predictions.csv";
const MAX_RESULT_BYTES = 256 * 2 ** 20;

/** A finished evaluation in its folder. */
export interface StoredRun {
  readonly folder: string;
  readonly result: StoredResult & Summary;
  /** By sample, conditions in the order of the run. */
  readonly rows: readonly SampleRow[];
  /** By sample. */
  readonly questions: ReadonlyMap<number, ShownQuestion>;
  /** Undefined in runs that wrote none. */
  readonly keptPath: string | undefined;
  /** What is not there to be shown, as sentences without a full stop. */
  readonly missing: readonly string[];
}

/**
 * Reads the folder of a finished run. Every row is checked; what a run of an earlier version did not write is named.
 * @throws KvDistillError `not-found` when it holds no finished run; `bad-file` for malformed or contradicting files; `unsupported`; `disk`
 */
export async function readRun(folder: string): Promise<StoredRun> {
  const path = join(folder, RESULT_FILE);
  if (!(await pathExists(path))) throw await notFinished(folder);
  const result = parseResult(await readTextFile(path, MAX_RESULT_BYTES), path);
  const rows = await readRows(join(folder, ROWS_FILE));
  checkRows(rows, result, folder);
  const missing: string[] = [];
  const predictions = join(folder, PREDICTIONS_FILE);
  const texts = await pathExists(predictions);
  if (!texts) missing.push(`${PREDICTIONS_FILE} is not there: questions and gold answers cannot be shown`);
  const keptPath = join(folder, KEPT_FILE);
  const kept = await pathExists(keptPath);
  if (!kept) missing.push(`${KEPT_FILE} is not there (earlier versions wrote none): no bytes, no kept tokens`);
  return {
    folder,
    result,
    rows: rows.sort((a, b) => a.sample - b.sample),
    questions: texts ? await readQuestionTexts(predictions, rows) : new Map(),
    keptPath: kept ? keptPath : undefined,
    missing,
  };
}

async function notFinished(folder: string): Promise<KvDistillError> {
  const begun = await pathExists(join(folder, ROWS_FILE));
  return new KvDistillError("not-found", begun ? "the evaluation is not finished" : "there is no evaluation", {
    where: folder,
    expected: RESULT_FILE,
    hint: begun ? "go on with it by eval --resume" : "give a folder that eval --out has written",
  });
}

async function readRows(path: string): Promise<SampleRow[]> {
  const rows: SampleRow[] = [];
  for await (const line of readLines(path)) {
    const where = `${path}:${line.line}`;
    if ("fault" in line) throw new KvDistillError("bad-file", line.fault, { where });
    rows.push(parseRow(line.text, where));
  }
  return rows;
}

/** Every question has one row for each condition of the result, and no other. */
function checkRows(rows: readonly SampleRow[], { results, questions }: StoredResult, folder: string): void {
  const keys = new Set(rows.map((row) => rowKey(row.sample, conditionOf(row))));
  const named = new Set(rows.map((row) => conditionName(conditionOf(row))));
  const faults = [
    ...(keys.size === rows.length ? [] : [`${rows.length - keys.size} rows are there twice`]),
    ...(rows.length === questions * results.length
      ? []
      : [`${questions} questions of ${results.length} conditions in ${RESULT_FILE}, ${rows.length} rows`]),
    ...(named.size === results.length
      ? []
      : [`${named.size} conditions among the rows, ${results.length} in ${RESULT_FILE}`]),
  ];
  if (faults.length > 0)
    throw new KvDistillError("bad-file", "rows and result do not belong together", { where: folder, faults });
}

import { join } from "node:path";
import { readLines } from "../../data/read-lines.ts";
import { KvDistillError } from "../../util/errors.ts";
import { pathExists } from "../../util/path-exists.ts";
import { type Condition, conditionName } from "./conditions.ts";
import { identityDifferences, type RunIdentity } from "./config.ts";
import { KEPT_FILE, type KeptFile, parseKeptLine } from "./kept-file.ts";
import type { CodeVersion } from "./machine.ts";
import { parseRow } from "./row-file.ts";
import { CONFIG_FILE, readRunConfig, ROWS_FILE } from "./run-folder.ts";
import { conditionOf, rowKey, type SampleRow } from "./sample-row.ts";

/** What decides which questions and conditions are measured, not what they come to. */
const MAY_DIFFER = ["methods", "keeps", "limit", "adapterHash"];

/** What was taken over from another run, for the record. */
export interface Reused {
  readonly folder: string;
  readonly code: CodeVersion | undefined;
  readonly rows: number;
}

export interface ReuseRequest {
  /** Of the other runs, finished or not. Of a row that two of them have, the first's counts. */
  readonly folders: readonly string[];
  readonly identity: RunIdentity;
  readonly conditions: readonly Condition[];
  /** Questions of this run. */
  readonly questions: number;
}

/** Rows of one other run. */
export interface ReusableRows {
  readonly rows: readonly SampleRow[];
  readonly reused: Reused;
}

/**
 * Rows of other runs that this one would make as well: of its questions and conditions, failures left out; of kv-distill when the adapter is
 * the same.
 * @throws KvDistillError `not-found` when a folder holds no run; `bad-argument` naming the settings by which another run's rows would differ;
 * `bad-file`, `disk`
 */
export async function reusableRows(request: ReuseRequest): Promise<ReusableRows[]> {
  const taken = new Set<string>();
  const all: ReusableRows[] = [];
  for (const folder of request.folders) {
    const { rows, code } = await rowsOf(folder, request);
    const missing = rows.filter((row) => !taken.has(keyOf(row)));
    for (const row of missing) taken.add(keyOf(row));
    all.push({ rows: missing, reused: { folder, code, rows: missing.length } });
  }
  return all;
}

async function rowsOf(
  folder: string,
  request: ReuseRequest,
): Promise<{ rows: SampleRow[]; code: CodeVersion | undefined }> {
  const { identity, questions } = request;
  const path = join(folder, CONFIG_FILE);
  if (!(await pathExists(path))) {
    throw new KvDistillError("not-found", "there is no evaluation to take rows from", { where: folder });
  }
  const other = await readRunConfig(path);
  const same = { ...other.identity, config: { ...other.identity.config, ...measuredBy(identity) } };
  const faults = identityDifferences({ ...same, adapterHash: identity.adapterHash }, identity);
  if (faults.length > 0) {
    throw new KvDistillError("bad-argument", "rows of the other evaluation would not be this one's", {
      where: folder,
      faults,
      hint: `${MAY_DIFFER.join(", ")} may differ`,
    });
  }
  const taken = takenFrom(other.identity, request);
  const rows: SampleRow[] = [];
  for await (const { text, where } of linesOf(join(folder, ROWS_FILE))) {
    const row = parseRow(text, where);
    if (row.sample < questions && row.failure === undefined && taken.has(conditionName(conditionOf(row))))
      rows.push(row);
  }
  return { rows, code: other.code };
}

const keyOf = (row: SampleRow): string => rowKey(row.sample, conditionOf(row));

/** Appends what the other run has kept of passages and conditions whose rows were taken over. */
export async function reuseKept(kept: KeptFile, folder: string, rows: readonly SampleRow[]): Promise<void> {
  const path = join(folder, KEPT_FILE);
  if (!(await pathExists(path))) return;
  const passages = new Set(rows.map(({ passage }) => passage));
  const caches = new Set(rows.map((row) => `${row.passage} ${conditionName(conditionOf(row))}`));
  for await (const { text, where } of linesOf(path)) {
    const line = parseKeptLine(text, where);
    const wanted =
      "method" in line
        ? caches.has(`${line.passage} ${conditionName({ method: line.method, keep: line.keep ?? undefined })}`)
        : passages.has(line.passage);
    if (wanted) await kept.appendLines([text]);
  }
}

function measuredBy({ config: { methods, keeps, limit } }: RunIdentity): Partial<RunIdentity["config"]> {
  return { methods, keeps, limit };
}

function takenFrom(other: RunIdentity, { identity, conditions }: ReuseRequest): ReadonlySet<string> {
  const sameAdapter = other.adapterHash === identity.adapterHash;
  return new Set(conditions.filter(({ method }) => method !== "kv-distill" || sameAdapter).map(conditionName));
}

/** Whole lines; a last one without its newline is still being written. */
async function* linesOf(path: string): AsyncGenerator<{ readonly text: string; readonly where: string }> {
  let held: { readonly text: string; readonly where: string } | undefined;
  for await (const line of readLines(path)) {
    if (held !== undefined) yield held;
    const where = `${path}:${line.line}`;
    if ("fault" in line) throw new KvDistillError("bad-file", line.fault, { where });
    held = { text: line.text, where };
  }
  if (held !== undefined && isJson(held.text)) yield held;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

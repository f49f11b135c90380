import { createHash } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { diskError, systemCodeOf } from "../../util/disk-error.ts";

/** Name of a run, made by the server from where the run lies. */
export type RunId = string;

export const RUN_ID = /^run_[0-9a-f]{24}$/;

/** What a folder holds. */
export type RunKind = "training" | "evaluation";

/** A folder with a run in it. */
export interface FoundRun {
  readonly id: RunId;
  readonly kind: RunKind;
  /** The folder inside the one that is shared, parts joined by `/`; that one's own run is `.`. */
  readonly name: string;
  /** Never made from what a request says. */
  readonly path: string;
  /** When it was last written to, Unix time in milliseconds. */
  readonly updatedAt: number;
  /** An evaluation with its result, whatever that holds. */
  readonly hasResult: boolean;
}

export interface FoundRuns {
  /** The newest first. */
  readonly runs: readonly FoundRun[];
  /** There are more: not everything was looked at. */
  readonly more: boolean;
}

/** Folders below the shared one that are looked into, and looked at in all. */
const DEPTH = 4;
const FOLDERS = 5000;

/** What tells a run, and what it writes to as it goes on. */
const MARKS = [
  { kind: "training", mark: "run.json", written: "metrics.jsonl" },
  { kind: "evaluation", mark: "samples.jsonl", written: "samples.jsonl" },
] as const;

/**
 * Runs in a folder and in folders inside it. Links are not followed, hidden folders and what lies inside a run are left out.
 * @throws KvDistillError `not-found`, `disk` for the folder itself; others that cannot be read are passed over
 */
export async function findRuns(root: string): Promise<FoundRuns> {
  const runs: FoundRun[] = [];
  let waiting: { readonly path: string; readonly name: string; readonly depth: number }[] = [
    { path: root, name: ".", depth: 0 },
  ];
  let seen = 0;
  while (waiting.length > 0 && seen < FOLDERS) {
    const [{ path, name, depth } = { path: root, name: ".", depth: 0 }, ...rest] = waiting;
    waiting = rest;
    seen++;
    const entries = await readdir(path, { withFileTypes: true }).catch((error: unknown) => {
      if (depth === 0) throw diskError(error, path, "cannot list the runs");
      return [];
    });
    const files = new Set(entries.flatMap((entry) => (entry.isFile() ? [entry.name] : [])));
    const own = MARKS.find(({ mark }) => files.has(mark));
    if (own !== undefined) {
      const { kind, mark, written } = own;
      const updatedAt = (await timeOf(join(path, written))) ?? (await timeOf(join(path, mark))) ?? 0;
      runs.push({ id: idOf(name), kind, name, path, updatedAt, hasResult: files.has("result.json") });
    } else if (depth < DEPTH) {
      const folders = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith("."));
      for (const folder of folders) {
        const inside = name === "." ? folder.name : `${name}/${folder.name}`;
        waiting.push({ path: join(path, folder.name), name: inside, depth: depth + 1 });
      }
    }
  }
  return {
    runs: runs.sort((a, b) => b.updatedAt - a.updatedAt || (a.name < b.name ? -1 : 1)),
    more: waiting.length > 0,
  };
}

function idOf(name: string): RunId {
  return `run_${createHash("sha256").update(name).digest("hex").slice(0, 24)}`;
}

/** Undefined when there is no such file. */
async function timeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    (error: unknown) => {
      if (systemCodeOf(error) === "ENOENT") return undefined;
      throw diskError(error, path, "cannot look at the file");
    },
  );
}

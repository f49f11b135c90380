import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import type { Slowest } from "../run-cases.ts";
import type { Done } from "./messages.ts";

/** What a long run has done so far: written down as it goes on, and read again to go on where it was stopped. */
export interface RunRecord {
  readonly seed: number;
  /** Names of the targets. */
  readonly targets: readonly string[];
  /** Commits that the cases were run with, `-dirty` where files were changed. */
  readonly code: string[];
  readonly node: string;
  readonly from: number;
  /** Number of the first case that was not run. */
  next: number;
  cases: number;
  failures: number;
  /** Of the cases those whose files went through libuv's pool. */
  pooled: number;
  /** Of the clock while the run was on, and of the processor in the process of the cases. */
  seconds: number;
  processorSeconds: number;
  /** MiB by which the process grew at most over a batch of cases, and its largest size. */
  grownMiB: number;
  peakMiB: number;
  readonly byTarget: Record<string, TargetRecord>;
}

export interface TargetRecord {
  cases: number;
  values: number;
  readonly refused: Record<string, number>;
  failures: number;
  processorSeconds: number;
  slowest: Slowest | null;
}

const MEBI = 2 ** 20;

export function newRecord(seed: number, from: number, targets: readonly string[]): RunRecord {
  return {
    seed,
    targets,
    code: [codeNow()],
    node: process.version,
    from,
    next: from,
    cases: 0,
    failures: 0,
    pooled: 0,
    seconds: 0,
    processorSeconds: 0,
    grownMiB: 0,
    peakMiB: 0,
    byTarget: {},
  };
}

/**
 * The record at `path` of a run that was stopped, or a new one where there is none.
 * @throws Error where it is of other cases
 */
export function recordAt(path: string | undefined, fresh: RunRecord): RunRecord {
  if (path === undefined || !existsSync(path)) return fresh;
  const found = JSON.parse(readFileSync(path, "utf8")) as RunRecord;
  const asked = (record: RunRecord): string => JSON.stringify([record.seed, record.from, record.targets]);
  if (asked(found) !== asked(fresh))
    throw new Error(`${path} is of another run: ${asked(found)}, asked for: ${asked(fresh)}`);
  for (const code of fresh.code) if (!found.code.includes(code)) found.code.push(code);
  return found;
}

export function writeRecord(path: string | undefined, record: RunRecord): void {
  if (path === undefined) return;
  writeFileSync(`${path}.new`, `${JSON.stringify(record, null, 2)}\n`);
  renameSync(`${path}.new`, path);
}

export function targetRecord(record: RunRecord, name: string): TargetRecord {
  return (record.byTarget[name] ??= {
    cases: 0,
    values: 0,
    refused: {},
    failures: 0,
    processorSeconds: 0,
    slowest: null,
  });
}

/** Adds what came of a chunk; failures are counted where they are written down. */
export function addDone(record: RunRecord, target: string, done: Done, pooled: boolean): void {
  const own = targetRecord(record, target);
  own.cases += done.cases;
  own.values += done.values;
  for (const [code, count] of done.refusals) own.refused[code] = (own.refused[code] ?? 0) + count;
  own.processorSeconds += done.milliseconds / 1000;
  own.slowest = done.slowest ?? own.slowest;
  record.cases += done.cases;
  record.pooled += pooled ? done.cases : 0;
  record.processorSeconds += done.milliseconds / 1000;
  record.grownMiB = Math.max(record.grownMiB, Math.round(done.grown / MEBI));
  record.peakMiB = Math.max(record.peakMiB, Math.round(done.peak / MEBI));
}

function codeNow(): string {
  const git = (...words: string[]): string => execFileSync("git", words, { encoding: "utf8" }).trim();
  try {
    return (
      git("rev-parse", "--short=12", "HEAD") +
      (git("status", "--porcelain", "--untracked-files=no") === "" ? "" : "-dirty")
    );
  } catch {
    return "not from a repository";
  }
}

import type { FailedWork } from "../../distribute/status/read-failures.ts";
import type { RunStatus, WorkerStatus } from "../../distribute/status/read-status.ts";
import type { Leftover } from "../../distribute/run/leftovers.ts";
import { formatBytes, formatCount, formatDuration, formatRate } from "../../util/format.ts";

/** A run and what failed in it. */
export interface ToldRun extends RunStatus {
  readonly failures: readonly FailedWork[];
}

/** A run as a row: name, what, state, jobs, rate, time, documents or passages that failed for good. */
export function runRows({ run, title, state, jobs, unit, perSecond, seconds, round, failures }: ToldRun): string[] {
  const { total, done, failed } = jobs;
  const lost = failures.reduce((sum, { units, again }) => (again ? sum : sum + units), 0);
  return [
    round?.training ?? run,
    title,
    state,
    `${formatCount(done + failed)} of ${formatCount(total)}`,
    perSecond === 0 ? "" : formatRate(perSecond, unit),
    formatDuration(seconds),
    lost === 0 ? "" : formatCount(lost),
  ];
}

/** What failed as a row: which, how often it was tried, why. */
export function failureRows({ job, names, units, message, attempts, again }: FailedWork, unit: string): string[] {
  const more = units - names.length;
  const rest = more <= 0 ? [] : [names.length === 0 ? `${formatCount(units)} ${unit}` : `${formatCount(more)} more`];
  const which = [...names, ...rest].join(", ");
  const tried = attempts === 1 ? "once" : `${formatCount(attempts)} times`;
  return [which === "" ? job : which, again ? `${tried}, and again soon` : tried, message];
}

/** A worker as a row: name, address, since when, what it does. */
export function workerRows({ name, address, seconds, job }: WorkerStatus): string[] {
  return [name, address, formatDuration(seconds), job ?? ""];
}

/** What was removed of a run, as a row: name, files, size, how long ago the last was written. */
export function leftoverRows({ run, files, bytes, changed }: Leftover): string[] {
  return [run, formatCount(files), formatBytes(bytes), formatDuration((Date.now() - changed) / 1000)];
}

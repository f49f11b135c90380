import type { RunStatus, WorkerStatus } from "../../distribute/status/read-status.ts";
import type { Leftover } from "../../distribute/run/leftovers.ts";
import { formatBytes, formatCount, formatDuration, formatRate } from "../../util/format.ts";

/** A run as a row: name, what, state, jobs, rate, time, failed. */
export function runRows({ run, title, state, jobs, unit, perSecond, seconds, round }: RunStatus): string[] {
  const { total, done, failed } = jobs;
  return [
    round?.training ?? run,
    title,
    state,
    `${formatCount(done + failed)} of ${formatCount(total)}`,
    perSecond === 0 ? "" : formatRate(perSecond, unit),
    formatDuration(seconds),
    failed === 0 ? "" : formatCount(failed),
  ];
}

/** A worker as a row: name, address, since when, what it does. */
export function workerRows({ name, address, seconds, job }: WorkerStatus): string[] {
  return [name, address, formatDuration(seconds), job ?? ""];
}

/** What was removed of a run, as a row: name, files, size, how long ago the last was written. */
export function leftoverRows({ run, files, bytes, changed }: Leftover): string[] {
  return [run, formatCount(files), formatBytes(bytes), formatDuration((Date.now() - changed) / 1000)];
}

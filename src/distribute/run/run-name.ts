import { randomBytes } from "node:crypto";

/** Name of a new run, for people and as the id of its parent job. */
export function newRunName(kind: string): string {
  return `${kind}-${randomBytes(6).toString("hex")}`;
}

/** Folder of a store that holds the runs' folders. */
export const RUNS_FOLDER = "runs";

/** Where a run's files lie in the store. */
export function runFolder(run: string): string {
  return `${RUNS_FOLDER}/${run}`;
}

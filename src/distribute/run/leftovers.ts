import type { Queues } from "../redis/queues.ts";
import { RUN_NAME } from "../jobs/payload.ts";
import type { Store } from "../store/store.ts";
import { runFolder, RUNS_FOLDER } from "./run-name.ts";

/** Files of a run that the queue has forgotten. */
export interface Leftover {
  readonly run: string;
  readonly files: number;
  readonly bytes: number;
  /** When the last of them was written, in milliseconds since 1970. */
  readonly changed: number;
}

/**
 * Removes from a store what no run of the queue asks for. A run's files stay while the queue remembers the run, while a job in the queue names
 * one of them (a training round reads what earlier ones left), and until they are old: a run that is being sent is not in the queue yet.
 * @param seconds since a folder's newest file was written
 */
export async function removeLeftovers(
  queues: Pick<Queues, "jobs" | "runs">,
  store: Store,
  seconds: number,
): Promise<Leftover[]> {
  const found = new Map<string, Leftover>();
  for (const { key, bytes, changed } of await store.list(RUNS_FOLDER)) {
    const run = key.split("/")[1] ?? "";
    if (!RUN_NAME.test(run)) continue;
    const { files, bytes: before, changed: last } = found.get(run) ?? { files: 0, bytes: 0, changed: 0 };
    found.set(run, { run, files: files + 1, bytes: before + bytes, changed: Math.max(last, changed) });
  }
  const newest = Date.now() - seconds * 1000;
  const old = [...found.values()].filter(({ changed }) => changed <= newest);
  if (old.length === 0) return [];
  // After the list: what is sent meanwhile is not in it.
  const named = await namedRuns(queues);
  const removed: Leftover[] = [];
  for (const left of old.sort((a, b) => a.changed - b.changed)) {
    if (named.has(left.run) || (await queues.runs.getJob(left.run)) !== undefined) continue;
    await store.removeAll(runFolder(left.run));
    removed.push(left);
  }
  return removed;
}

/** Runs whose files the jobs name that are still to be done. */
async function namedRuns({ jobs }: Pick<Queues, "jobs">): Promise<Set<string>> {
  const open = await jobs.getJobs(["waiting", "prioritized", "delayed", "active"]);
  const folder = new RegExp(`${RUNS_FOLDER}/([a-z]+-[0-9a-f]+)/`, "g");
  return new Set(open.flatMap(({ data }) => [...JSON.stringify(data).matchAll(folder)].map(([, run = ""]) => run)));
}

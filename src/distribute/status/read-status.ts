import type { Job, JobState } from "bullmq";
import { type RoundPlace, type RunPayload, runSchema, unproven } from "../jobs/payload.ts";
import type { Queues } from "../redis/queues.ts";

/** A run as the queue knows it. Nothing of it is proven: who can write to the queue can write this. */
export interface RunStatus {
  readonly run: string;
  readonly kind: string;
  readonly title: string;
  /** `working`: jobs are left; `finishing`: results are put together. */
  readonly state: "working" | "finishing" | "done" | "failed";
  readonly jobs: { readonly total: number; readonly done: number; readonly failed: number };
  readonly unit: string;
  readonly units: number;
  readonly begun: string;
  /** Until it ended, or until now. */
  readonly seconds: number;
  /** Units a second, as if all jobs were of one size; 0 before the first is done. */
  readonly perSecond: number;
  /** Of a round of a training run: which, and how far that is. */
  readonly round?: RoundPlace;
}

export interface WorkerStatus {
  readonly name: string;
  readonly address: string;
  /** Since it joined. */
  readonly seconds: number;
  /** What it does at the moment. */
  readonly job: string | null;
}

export interface QueueStatus {
  /** The newest first. */
  readonly runs: readonly RunStatus[];
  readonly workers: readonly WorkerStatus[];
  /** Jobs in the queue of runs that are no runs of this program. */
  readonly foreign: number;
}

/** Every run that the queue remembers, and the workers that are connected. */
export async function readStatus(queues: Queues): Promise<QueueStatus> {
  const [jobs, workers, active] = await Promise.all([
    queues.runs.getJobs(["waiting-children", "waiting", "prioritized", "delayed", "active", "completed", "failed"]),
    queues.jobs.getWorkers(),
    queues.jobs.getActive(),
  ]);
  const own = jobs.flatMap((job) => {
    const payload = unproven(runSchema, job.data);
    return payload === undefined ? [] : [{ job, payload }];
  });
  const known = await Promise.all(own.map(({ job, payload }) => runStatus(job, payload)));
  const jobOf = new Map(active.map((job) => [job.processedBy, job.id ?? null]));
  return {
    runs: known.filter((run) => run !== undefined).sort((a, b) => (a.begun < b.begun ? 1 : -1)),
    workers: workers
      .map(({ name = "", rawname = "", addr = "", age = "0" }) => {
        const own = workerName(rawname, name);
        return { name: own, address: addr, seconds: Number(age), job: jobOf.get(own) ?? null };
      })
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
    foreign: jobs.length - own.length,
  };
}

/** BullMQ names connections `bull:QUEUE:w:NAME`, the queue in base 64. */
function workerName(rawName: string, fallback: string): string {
  return /:w:(.*)$/.exec(rawName)?.[1] ?? fallback;
}

/** Undefined: it was taken from the queue while it was looked at. */
async function runStatus(job: Job, payload: RunPayload): Promise<RunStatus | undefined> {
  const [{ processed = 0, ignored = 0 }, queued] = await Promise.all([job.getDependenciesCount(), job.getState()]);
  const state = RUN_STATES[queued];
  if (state === undefined) return undefined;
  const { run, kind, title, unit, units, jobs: total, round } = payload;
  const seconds = ((job.finishedOn ?? Date.now()) - job.timestamp) / 1000;
  const shares = (processed + ignored) / total;
  return {
    run,
    kind,
    title,
    state,
    jobs: { total, done: processed, failed: ignored },
    unit,
    units,
    begun: new Date(job.timestamp).toISOString(),
    seconds,
    perSecond: seconds === 0 ? 0 : (shares * units) / seconds,
    ...(round === undefined ? {} : { round }),
  };
}

/** By BullMQ's states of its parent job. */
const RUN_STATES: Readonly<Record<JobState | "unknown", RunStatus["state"] | undefined>> = {
  "waiting-children": "working",
  waiting: "finishing",
  prioritized: "finishing",
  delayed: "finishing",
  active: "finishing",
  completed: "done",
  failed: "failed",
  unknown: undefined,
};

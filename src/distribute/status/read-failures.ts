import type { Job } from "bullmq";
import { type FailedPieces, jobResultSchema, jobSchema, unproven } from "../jobs/payload.ts";
import type { Queues } from "../redis/queues.ts";
import { byId, toldFailure } from "../run/outcomes.ts";

/** Work of a run that failed, as the queue knows it. Nothing of it is proven: who can write to the queue can write this. */
export interface FailedWork {
  readonly job: string;
  /** Documents or passages, the first hundred; empty where they have no names. */
  readonly names: readonly string[];
  /** How many documents or passages. */
  readonly units: number;
  readonly code: string;
  readonly message: string;
  /** How often it was tried. */
  readonly attempts: number;
  /** It failed, and is tried again. */
  readonly again: boolean;
}

/** What failed in a run: jobs for good and for now, and single pieces of jobs that went on with the others. In the order of the jobs. */
export async function readFailures(queues: Queues, run: string): Promise<FailedWork[]> {
  const job = await queues.runs.getJob(run);
  if (job === undefined) return [];
  // What is open first: a job that ends meanwhile is then among those that have ended.
  const open = await queues.jobs.getJobs(["delayed", "active"]);
  const [values, reasons] = await Promise.all([job.getChildrenValues<unknown>(), job.getIgnoredChildrenFailures()]);
  const found: Promise<readonly FailedWork[]>[] = [];
  const ended = new Set([...byId(values).keys(), ...byId(reasons).keys()]);
  for (const [id, value] of byId(values)) {
    const failed = unproven(jobResultSchema, value)?.failed;
    if (failed !== undefined && failed.count > 0) found.push(failedPieces(queues, id, failed));
  }
  for (const [id, reason] of byId(reasons)) {
    found.push(queues.jobs.getJob(id).then((own) => [failedJob(id, own, reason, false)]));
  }
  for (const own of open) {
    const { id = "", failedReason: reason } = own as Partial<Job>;
    // BullMQ lists jobs and reads them afterwards: some have ended by then.
    if (own.parent?.id !== run || reason === undefined || own.finishedOn !== undefined || ended.has(id)) continue;
    found.push(Promise.resolve([failedJob(id, own, reason, true)]));
  }
  const place = ({ job: id }: FailedWork): number => Number(id.slice(id.lastIndexOf("-") + 1));
  return (await Promise.all(found)).flat().sort((a, b) => place(a) - place(b));
}

async function failedPieces(queues: Queues, id: string, { count, first }: FailedPieces): Promise<FailedWork[]> {
  const attempts = (await queues.jobs.getJob(id))?.attemptsMade ?? 1;
  const one = { job: id, attempts, again: false };
  const named = first.map(({ name, ...failure }) => ({ ...one, names: [name], units: 1, ...failure }));
  const more = count - first.length;
  if (more <= 0) return named;
  return [...named, { ...one, names: [], units: more, code: "internal", message: "the job's result says no more" }];
}

function failedJob(id: string, job: Job | undefined, reason: string, again: boolean): FailedWork {
  const { names = [], units = 0 } = unproven(jobSchema, job?.data) ?? {};
  // Workers that died under a job have not counted their attempts.
  const attempts = Math.max(job?.attemptsMade ?? 1, job?.stalledCounter ?? 0);
  return { job: id, names, units, ...toldFailure(reason), attempts, again };
}

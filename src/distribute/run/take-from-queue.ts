import { setTimeout as pause } from "node:timers/promises";
import type { Job } from "bullmq";
import type { Queues } from "../redis/queues.ts";

/** Between two tries to take what a worker holds. */
const PAUSE_MILLISECONDS = 100;

/**
 * Takes a run from the queue, and its jobs. Those that are being done are done in vain. One whose results are just being put together goes when
 * they are, or when its worker has died.
 * @returns how many jobs are being done
 */
export async function takeFromQueue(queues: Pick<Queues, "jobs" | "runs">, run: string): Promise<number> {
  for (let job = await queues.runs.getJob(run); job !== undefined; job = await queues.runs.getJob(run)) {
    // At one stroke, where no worker holds any of it.
    if (await removed(job, true)) return 0;
    await job.removeUnprocessedChildren();
    if (await removed(job, false)) break;
    // Without jobs that are left its results are put together: a worker may have been faster.
    await pause(PAUSE_MILLISECONDS);
  }
  return (await queues.jobs.getActive()).filter(({ parent }) => parent?.id === run).length;
}

/** @returns whether it could be: workers hold what they are doing */
async function removed(job: Job, removeChildren: boolean): Promise<boolean> {
  try {
    await job.remove({ removeChildren });
    return true;
  } catch (error) {
    if (error instanceof Error && error.message.includes("locked by another worker")) return false;
    throw error;
  }
}

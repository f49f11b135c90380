import type { Job } from "bullmq";
import type { Queues } from "../redis/queues.ts";
import { byId } from "./outcomes.ts";

/**
 * Ends a run that may end early with the jobs that have ended. The others are taken from the queue; those that are being done are done in vain.
 * With the last of them the run's results are put together, as they always are.
 */
export async function endEarly({ jobs }: Pick<Queues, "jobs">, run: Job): Promise<void> {
  const { unprocessed = [] } = await run.getDependencies();
  for (const id of byId(Object.fromEntries(unprocessed.map((key) => [key, undefined]))).keys()) {
    const job = await jobs.getJob(id);
    // One that has ended meanwhile counts.
    if (job?.parentKey === undefined || !(await job.removeChildDependency())) continue;
    // A worker that does it keeps it to its end.
    await job.remove().catch(() => undefined);
  }
}

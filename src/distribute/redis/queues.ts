import type { FlowProducer, Queue } from "bullmq";
import type { RedisAddress } from "./address.ts";
import { checkConnection, connectionOptions } from "./connect.ts";

/** The queue of jobs that workers do, and that of runs, whose jobs are the parents. BullMQ's own tools see them by these names. */
export const JOBS_QUEUE = "kv-distill";
export const RUNS_QUEUE = "kv-distill-runs";

/** How long finished jobs are told of. Results lie in files, not here. */
export const KEPT_SECONDS = 7 * 24 * 3600;

/** Both queues, as those see them who send work and look at it. */
export interface Queues {
  readonly address: RedisAddress;
  readonly jobs: Queue;
  readonly runs: Queue;
  readonly flows: FlowProducer;
  close(): Promise<void>;
}

/**
 * Opens the queues. BullMQ is loaded here and where a worker starts, nowhere else: one machine needs none of it.
 * @param onError what connections tell while they try again
 * @throws KvDistillError `network`
 */
export async function openQueues(address: RedisAddress, onError: (error: Error) => void): Promise<Queues> {
  await checkConnection(address);
  const { FlowProducer, Queue } = await import("bullmq");
  const options = { connection: connectionOptions(address) };
  const [jobs, runs] = [JOBS_QUEUE, RUNS_QUEUE].map((name) => new Queue(name, options)) as [Queue, Queue];
  const flows = new FlowProducer(options);
  jobs.on("error", onError);
  runs.on("error", onError);
  flows.on("error", onError);
  return {
    address,
    jobs,
    runs,
    flows,
    close: async () => {
      await Promise.all([jobs.close(), runs.close(), flows.close()]);
    },
  };
}

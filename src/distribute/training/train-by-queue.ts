import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { ModelFiles } from "../../models/model-files.ts";
import type { TrainingLoop } from "../../train/training-loop.ts";
import { identityOf } from "../identity.ts";
import type { Link } from "../link.ts";
import { dilocoLoop, type DilocoOptions } from "./diloco.ts";
import { gradientsLoop } from "./gradients.ts";
import { openQueueCrew, type QueueCrewOptions } from "./queue-crew.ts";

/** In a run's folder, while rounds are under way. */
const MEMORY_FILE = "queue.json";

export interface TrainByQueueOptions
  extends DilocoOptions, Pick<QueueCrewOptions, "pollMilliseconds" | "retryMilliseconds"> {
  readonly link: Link;
  readonly files: ModelFiles;
  /** That the workers compute with; default: all that this process may use, as where it computes itself. */
  readonly threads?: number;
  /** The run's folder. */
  readonly out: string;
  /** For people. */
  readonly title: string;
}

/**
 * Training on the machines of a queue, in the way that the run's `sync` says. The loop throws, beside what training throws, `network`, `disk` of
 * the store, and `engine` when a job fails for good.
 */
export function trainByQueue({ link, files, threads, out, deadline, ...options }: TrainByQueueOptions): TrainingLoop {
  return async (task) => {
    const crew = await openQueueCrew({
      ...options,
      link,
      // Steps are computed in float32, whatever a worker decodes with.
      identity: await identityOf({ files, precision: "fp32", runtime: { threads: threads ?? availableParallelism() } }),
      memory: join(out, MEMORY_FILE),
      onNote: task.onNote,
    });
    const loop =
      task.config.sync === "diloco"
        ? dilocoLoop(crew, deadline === undefined ? {} : { deadline })
        : gradientsLoop(crew);
    await loop(task);
    await crew.end();
  };
}

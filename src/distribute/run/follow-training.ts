import { setTimeout as pause } from "node:timers/promises";
import { KvDistillError } from "../../util/errors.ts";
import type { RoundPlace } from "../jobs/payload.ts";
import type { Queues } from "../redis/queues.ts";
import { readStatus } from "../status/read-status.ts";
import type { FollowOptions } from "./distribute.ts";
import { Journal } from "./journal.ts";

/** Between two rounds the sender computes, and writes checkpoints; after so long it has stopped, or lost the queue. */
const SILENCE_SECONDS = 120;

/**
 * Waits for a training run, whose rounds come to the queue and leave it one after the other, until its last step is done.
 * @param training as its rounds name it
 * @param options.onProgress is told of steps
 * @throws KvDistillError `not-found` when no round comes for two minutes; `cancelled`
 */
export async function followTraining(
  queues: Queues,
  training: string,
  { signal, onProgress, onNote, pollMilliseconds = 500 }: FollowOptions,
  silenceSeconds = SILENCE_SECONDS,
): Promise<void> {
  let seen = performance.now();
  let last: RoundPlace | undefined;
  let journal: { readonly run: string; readonly lines: Journal } | undefined;
  const tell = (done: number, total: number): void => onProgress?.({ done, total, failed: 0 });
  for (;;) {
    const found = (await readStatus(queues)).runs.find(({ round }) => round?.training === training);
    if (found?.round !== undefined) {
      seen = performance.now();
      if (last?.done !== found.round.done) tell(found.round.done, found.round.total);
      last = found.round;
      if (journal?.run !== found.run) journal = { run: found.run, lines: new Journal(queues.runs, found.run) };
      for (const line of await journal.lines.news()) onNote?.(line);
      // The queue remembers the last round, as it does every run.
      if (last.done + last.steps === last.total && found.state === "done") {
        tell(last.total, last.total);
        return;
      }
    } else if (performance.now() - seen > silenceSeconds * 1000) {
      throw new KvDistillError("not-found", `no round of the training run came for ${silenceSeconds} seconds`, {
        where: training,
        hint: "the command that trains has stopped, or cannot reach the queue; train --resume goes on with the run",
      });
    }
    if (signal?.aborted === true) {
      throw new KvDistillError("cancelled", "the run is no longer followed; it goes on", { where: training });
    }
    await pause(pollMilliseconds, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
  }
}

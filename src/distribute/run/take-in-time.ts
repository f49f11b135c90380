import { setTimeout as pause } from "node:timers/promises";
import type { JobKind } from "../jobs/kind.ts";
import { checked, type Failure, jobResultSchema, openSealed } from "../jobs/payload.ts";
import type { Link } from "../link.ts";
import { byId, jobId, toldFailure } from "./outcomes.ts";
import { KvDistillError } from "../../util/errors.ts";

/**
 * How the jobs of a run have ended so far, for who does not wait for all: the others have `late` in their place. Waits until one has a result
 * or none is left.
 * @throws KvDistillError `cancelled`, `not-found` when the queue has forgotten the run
 */
export async function takeWhatCame<R>(
  { queues, token }: Link,
  run: string,
  kind: Pick<JobKind<never, R>, "result">,
  jobs: number,
  late: Failure,
  { signal, pollMilliseconds }: { readonly signal?: AbortSignal | undefined; readonly pollMilliseconds: number },
): Promise<({ readonly result: R } | { readonly failure: Failure })[]> {
  for (;;) {
    const job = await queues.runs.getJob(run);
    if (job === undefined) throw new KvDistillError("not-found", "the queue has forgotten the run", { where: run });
    const values = byId(await job.getChildrenValues<unknown>());
    const failures = byId(await job.getIgnoredChildrenFailures());
    if (values.size > 0 || failures.size >= jobs) {
      return Array.from({ length: jobs }, (_, index) => {
        const id = jobId(run, index);
        const failure = failures.get(id);
        if (failure !== undefined) return { failure: toldFailure(failure) };
        if (!values.has(id)) return { failure: late };
        const { result } = openSealed(token, "result", jobResultSchema, id, values.get(id));
        return { result: checked(kind.result, result, `result of ${id}`) };
      });
    }
    if (signal?.aborted === true)
      throw new KvDistillError("cancelled", "the run is no longer followed", { where: run });
    await pause(pollMilliseconds);
  }
}

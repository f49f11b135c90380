import { z } from "zod";
import {
  type Failure,
  failureSchema,
  failureOf,
  jobResultSchema,
  LATE,
  openSealed,
  parseFailure,
  type RunPayload,
} from "../jobs/payload.ts";
import { boundedList } from "../../util/bounded-list.ts";
import { KvDistillError } from "../../util/errors.ts";
import type { QueueToken } from "../token.ts";

/** How a job of a run ended. */
const outcomeSchema = z.union([z.strictObject({ result: z.unknown() }), z.strictObject({ failure: failureSchema })]);
export type Outcome = Readonly<z.infer<typeof outcomeSchema>>;

/** JSON in the store: of all jobs of a run, in order. */
export const outcomesSchema = boundedList(outcomeSchema);

/** What BullMQ fails a job with whose workers died. */
const STALLED = "job stalled more than allowable limit";

export function jobId(run: string, index: number): string {
  return `${run}-${index}`;
}

/**
 * The outcomes of a run's jobs in their order, each exactly once. Those of a run that may end early that have not ended are late.
 * @param values what jobs returned, by id
 * @param failures why others failed, by id
 * @throws KvDistillError `bad-argument` when a job has neither or both
 */
export function orderedOutcomes(
  { run, jobs, endsEarly }: Pick<RunPayload, "run" | "jobs" | "endsEarly">,
  values: ReadonlyMap<string, unknown>,
  failures: ReadonlyMap<string, string>,
  token: QueueToken,
): Outcome[] {
  let late = 0;
  const outcomes = Array.from({ length: jobs }, (_, index): Outcome => {
    const id = jobId(run, index);
    const failure = failures.get(id);
    if (endsEarly === true && !values.has(id) && failure === undefined) {
      late++;
      return { failure: LATE };
    }
    if (values.has(id) === (failure !== undefined)) {
      throw new KvDistillError("bad-argument", "the queue does not know how a job ended", { where: id });
    }
    if (failure !== undefined) return { failure: toldFailure(failure) };
    try {
      return { result: openSealed(token, "result", jobResultSchema, id, values.get(id)).result };
    } catch (error) {
      return { failure: failureOf(error) };
    }
  });
  if (values.size + failures.size + late === jobs) return outcomes;
  throw new KvDistillError("bad-argument", "the queue has results of jobs that the run has not", { where: run });
}

/** BullMQ's keys end with the job's id. */
export function byId<T>(values: Readonly<Record<string, T>>): Map<string, T> {
  return new Map(Object.entries(values).map(([key, value]) => [key.slice(key.lastIndexOf(":") + 1), value]));
}

/** Why BullMQ says that a job failed, as a person is told. */
export function toldFailure(reason: string): Failure {
  if (!reason.startsWith(STALLED)) return parseFailure(reason);
  return { code: "out-of-memory", message: "its workers died, one after the other, while they did it" };
}

import { setTimeout as pause } from "node:timers/promises";
import { KvDistillError } from "../../util/errors.ts";
import type { WorkIdentity } from "../identity.ts";
import type { JobKind } from "../jobs/kind.ts";
import {
  checked,
  type Failure,
  MOST_NAMES,
  openSealed,
  type RoundPlace,
  runResultSchema,
  sealJson,
} from "../jobs/payload.ts";
import type { Link } from "../link.ts";
import { JOBS_QUEUE, KEPT_SECONDS, RUNS_QUEUE } from "../redis/queues.ts";
import { getJson } from "../store/checked-file.ts";
import { endEarly } from "./end-early.ts";
import { Journal } from "./journal.ts";
import { jobId, outcomesSchema } from "./outcomes.ts";
import { runFolder } from "./run-name.ts";
import { takeFromQueue } from "./take-from-queue.ts";

/** Work to be spread, cut into shards. */
export interface Distribution<W, R> {
  readonly kind: JobKind<W, R>;
  /** Name of the run. One that the queue knows is gone on with, whoever began it; its shards must be the same. */
  readonly run: string;
  readonly identity: WorkIdentity;
  /** For people. */
  readonly title: string;
  /** What is counted, in the plural. */
  readonly unit: string;
  /** Of a training run. */
  readonly round?: RoundPlace;
  /** In the order of their results; at least one. */
  readonly shards: readonly Shard<W>[];
  /** Seconds after which the run ends with the jobs that have ended, one with a result at least; the others have the failure `late`. */
  readonly deadline?: number;
}

/** The work of one job. */
export interface Shard<W> {
  readonly units: number;
  /** Of the units, for people; where they have some. */
  readonly names?: readonly string[];
  readonly work: W;
}

export interface FollowOptions {
  readonly signal?: AbortSignal;
  /** A signal ends the run, since nobody will take its results; otherwise the workers go on. */
  readonly giveUp?: boolean;
  /** Jobs that have ended, of how many, and how many of them failed. */
  readonly onProgress?: (state: { readonly done: number; readonly total: number; readonly failed: number }) => void;
  /** What workers say about the run: refusals, failures. */
  readonly onNote?: (line: string) => void;
  /** Between looks at the queue. Default 500. */
  readonly pollMilliseconds?: number;
  /** Before a failed job is tried again, twice as long each time. Default 1000. */
  readonly retryMilliseconds?: number;
}

export type ShardOutcome<R> = { readonly result: R } | { readonly failure: Failure };

/** How often a job is tried. */
const ATTEMPTS = 3;
/** Putting results together needs the store alone; it is worth more patience. */
const RUN_ATTEMPTS = 10;

/**
 * Sends shards to the workers as one flow, follows it and gives the outcomes in the order of the shards. The run does not need this
 * process: it goes on without it, and a later call with its name takes the results.
 * @throws KvDistillError `cancelled`; the run goes on; `network`, `disk` of the store, `bad-argument` for results without proof
 */
export async function distribute<W, R>(
  link: Link,
  distribution: Distribution<W, R>,
  options: FollowOptions = {},
): Promise<ShardOutcome<R>[]> {
  const { run, kind, shards, deadline } = distribution;
  const { queues, token, store } = link;
  const due = deadline === undefined ? Infinity : performance.now() + deadline * 1000;
  if ((await queues.runs.getJob(run)) === undefined) await send(link, distribution, options);
  const returned = await follow(link, run, options, due).catch(async (error: unknown) => {
    if (options.giveUp === true && options.signal?.aborted === true) await forgetFiles(link, run);
    throw error;
  });
  const { outcomes: file } = openSealed(token, "result", runResultSchema, run, returned);
  const outcomes = checked(outcomesSchema, await getJson(store, file), file.key);
  if (outcomes.length !== shards.length) {
    throw new KvDistillError("bad-argument", "the run was begun with other shards", {
      where: run,
      expected: `${shards.length} results`,
      got: String(outcomes.length),
    });
  }
  return outcomes.map((outcome, index) =>
    "failure" in outcome ? outcome : { result: checked(kind.result, outcome.result, `result of ${jobId(run, index)}`) },
  );
}

/** Deletes what a run left in the store; its results must have been taken. */
export async function forgetFiles({ store }: Link, run: string): Promise<void> {
  await store.removeAll(runFolder(run));
}

async function send<W, R>(
  { queues, token }: Link,
  { run, kind, identity, title, unit, shards, round, deadline }: Distribution<W, R>,
  { retryMilliseconds = 1000 }: FollowOptions,
): Promise<void> {
  const kept = { removeOnComplete: { age: KEPT_SECONDS }, removeOnFail: { age: KEPT_SECONDS } };
  const backoff = { type: "exponential", delay: retryMilliseconds };
  const common = { version: 1, run, kind: kind.name, identity };
  const units = shards.reduce((sum, shard) => sum + shard.units, 0);
  const place = round === undefined ? {} : { round };
  const early = deadline === undefined ? {} : { endsEarly: true };
  const payload = { ...common, id: run, units, jobs: shards.length, unit, title, ...place, ...early };
  // One transaction: the run is there with all its jobs or not at all.
  await queues.flows.add({
    name: kind.name,
    queueName: RUNS_QUEUE,
    data: sealJson(token, "job", payload),
    opts: { jobId: run, attempts: RUN_ATTEMPTS, backoff, ...kept },
    children: shards.map(({ units: own, names = [], work }, index) => {
      const id = jobId(run, index);
      return {
        name: kind.name,
        queueName: JOBS_QUEUE,
        data: sealJson(token, "job", { ...common, id, index, units: own, names: names.slice(0, MOST_NAMES), work }),
        // A job that fails for good is told in the result; the others go on.
        opts: { jobId: id, attempts: ATTEMPTS, backoff, ignoreDependencyOnFailure: true, ...kept },
      };
    }),
  });
}

/**
 * Waits for a run.
 * @param due when it is to end with the jobs that have ended, by `performance.now()`
 * @returns what its parent job returned
 */
export async function follow(
  { queues }: Pick<Link, "queues">,
  run: string,
  options: FollowOptions,
  due = Infinity,
): Promise<unknown> {
  const { signal, onProgress, onNote, pollMilliseconds = 500 } = options;
  const journal = new Journal(queues.runs, run);
  let told = "";
  for (;;) {
    const job = await queues.runs.getJob(run);
    if (job === undefined) {
      throw new KvDistillError("not-found", "the queue has forgotten the run", {
        where: run,
        hint: "it was removed, or Redis lost its data: begin it again",
      });
    }
    for (const line of await journal.news()) onNote?.(line);
    const { processed = 0, ignored = 0, unprocessed = 0 } = await job.getDependenciesCount();
    const state = { done: processed + ignored, total: processed + ignored + unprocessed, failed: ignored };
    if (told !== JSON.stringify(state)) onProgress?.(state);
    told = JSON.stringify(state);
    if (processed > 0 && unprocessed > 0 && performance.now() > due) await endEarly(queues, job);
    const now = await job.getState();
    if (now === "completed") return (await queues.runs.getJob(run))?.returnvalue as unknown;
    if (now === "failed") {
      throw new KvDistillError("bad-argument", "the run's results could not be put together", {
        where: run,
        got: (await queues.runs.getJob(run))?.failedReason ?? "no reason is told",
      });
    }
    if (signal?.aborted === true) {
      if (options.giveUp === true) await takeFromQueue(queues, run);
      throw stopped(run, options.giveUp === true);
    }
    await pause(pollMilliseconds, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
  }
}

function stopped(run: string, given: boolean): KvDistillError {
  const what = given ? "the run was taken from the queue" : "the run is no longer followed; its workers go on";
  return new KvDistillError("cancelled", what, { where: run });
}

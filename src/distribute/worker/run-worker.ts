import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Job, Worker } from "bullmq";
import type { LanguageModel } from "../../models/language-model.ts";
import { diskError, isSystemError } from "../../util/disk-error.ts";
import { aborted } from "../../util/aborted.ts";
import { KvDistillError, messageOf } from "../../util/errors.ts";
import { formatDuration } from "../../util/format.ts";
import type { Logger } from "../../util/log.ts";
import { calledAs, identityFaults, identityOf, type WorkIdentity } from "../identity.ts";
import { JOB_KINDS } from "../jobs/kinds.ts";
import {
  checked,
  type FailedPieces,
  failureOf,
  failureText,
  jobSchema,
  MOST_NAMES,
  openSealed,
  RUN_NAME,
  type RunPayload,
  runSchema,
  sealJson,
} from "../jobs/payload.ts";
import { addToJournal } from "../run/journal.ts";
import { byId, orderedOutcomes } from "../run/outcomes.ts";
import { runFolder } from "../run/run-name.ts";
import type { RedisAddress } from "../redis/address.ts";
import { checkConnection, leavableConnection } from "../redis/connect.ts";
import { JOBS_QUEUE, RUNS_QUEUE } from "../redis/queues.ts";
import { putJson } from "../store/checked-file.ts";
import type { Store } from "../store/store.ts";
import type { Sealed, QueueToken } from "../token.ts";
import { isJobFault, isMachineFault } from "./faults.ts";
import { lossTeller } from "../redis/loss-teller.ts";
import { HeldBench } from "../training/bench.ts";
import { AdapterShelf } from "./shelf.ts";

export interface WorkerOptions {
  readonly address: RedisAddress;
  readonly token: QueueToken;
  readonly store: Store;
  readonly model: LanguageModel;
  /** By which people know it. */
  readonly name: string;
  /** Folder of this machine for files that jobs make on the way; it must exist. */
  readonly scratch: string;
  /** After so long without a sign of life a worker's job goes to another. Default 30. */
  readonly lockSeconds?: number;
  /** A worker that cannot do a job rests so long, twice as long each time, so that others take it. Default 5. */
  readonly restSeconds?: number;
  readonly log: Logger;
  /** Stops the worker: the job in progress goes back to the queue. */
  readonly signal: AbortSignal;
  /** Called when it waits for jobs. */
  readonly onReady?: () => void;
}

/** A job whose workers died so often is given up: it may be what kills them. */
const MOST_STALLS = 5;
/** A job that workers refused so often for want of a proof is given up. */
const MOST_REFUSALS = 10;
const REST_SECONDS = 5;
const LONGEST_REST_SECONDS = 60;
/** After an error in a worker's loop, such as a lost connection. */
const LOOP_PAUSE_MILLISECONDS = 1000;
/** For so many rests a job without a proof stays away. */
const RESTS_AWAY = 12;

/**
 * Works on a queue until the signal. Jobs without the token's proof fail; jobs of another package, model or tokenizer go back to the queue,
 * and the run's journal says why.
 * @throws KvDistillError `network` when the queue cannot be reached at first; later losses are waited out
 */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const { address, model, signal, log, onReady } = options;
  await checkConnection(address);
  const { Queue, Worker: BullWorker } = await import("bullmq");
  const { DelayedError, Job: BullJob, UnrecoverableError, WaitingChildrenError, WaitingError } = await import("bullmq");
  const leavable = leavableConnection(address, signal);
  const connection = leavable.options;
  const runs = new Queue(RUNS_QUEUE, { connection });
  const desk = new Desk(options, await identityOf(model), (run, line) => addToJournal(BullJob, runs, run, line));

  const lockMilliseconds = (options.lockSeconds ?? 30) * 1000;
  const settings = {
    connection,
    name: options.name,
    concurrency: 1,
    lockDuration: lockMilliseconds,
    stalledInterval: lockMilliseconds,
    maxStalledCount: MOST_STALLS,
    // BullMQ's own 15 seconds are slept through by a worker that is told to stop, too.
    runRetryDelay: LOOP_PAUSE_MILLISECONDS,
    autorun: false,
  };
  const start = (queue: string, work: (job: Job, signal: AbortSignal) => Promise<Sealed>): Worker => {
    const worker: Worker = new BullWorker(
      queue,
      async (job: Job, lock = "", lost?: AbortSignal) => {
        // A person may have asked for a job of the run again, by a dashboard, after the run was given to a worker.
        if (queue === RUNS_QUEUE && (await job.moveToWaitingChildren(lock))) throw new WaitingChildrenError();
        try {
          return await work(job, lost === undefined ? signal : AbortSignal.any([lost, signal]));
        } catch (error) {
          if (error instanceof Unable && lost?.aborted !== true) {
            void rest(worker, error.restSeconds, signal);
            if (error instanceof Unproven) {
              await job.moveToDelayed(Date.now() + error.awaySeconds * 1000, lock);
              throw new DelayedError();
            }
            await job.moveToWait(lock);
            throw new WaitingError();
          }
          const text = failureText(failureOf(error));
          throw isJobFault(error) ? new UnrecoverableError(text) : new Error(text);
        }
      },
      settings,
    );
    // Another may have the job by now: what this one makes of it would not be taken.
    worker.on("lockRenewalFailed", (ids: string[]) => {
      for (const id of ids) worker.cancelJob(id, "another worker has the job");
    });
    return worker;
  };
  const workers = [
    start(JOBS_QUEUE, (job, stop) => desk.doJob(job, stop)),
    start(RUNS_QUEUE, (job) => desk.finishRun(job)),
  ];
  const onError = lossTeller(log);
  runs.on("error", onError);
  for (const worker of workers) worker.on("error", onError);
  try {
    await Promise.all(workers.map((worker) => worker.waitUntilReady()));
    for (const worker of workers) void worker.run().catch(onError);
    onReady?.();
    await aborted(signal);
  } finally {
    await leavable.settled();
    await Promise.all([...workers.map((worker) => worker.close()), runs.close()]);
    desk.close();
  }
}

/** The worker cannot do a job that others may do: it goes back to the queue, and does not count as tried. */
class Unable extends Error {
  readonly restSeconds: number;

  constructor(why: string, restSeconds: number) {
    super(why);
    this.restSeconds = restSeconds;
  }
}

/** The job has no proof that fits the worker's token. At the head of the queue it would be the next again: it stays away while others go first. */
class Unproven extends Unable {
  readonly awaySeconds: number;

  constructor(why: string, restSeconds: number, awaySeconds: number) {
    super(why, restSeconds);
    this.awaySeconds = awaySeconds;
  }
}

/** What a worker does with the jobs that it is given. */
class Desk {
  private readonly options: WorkerOptions;
  private readonly identity: WorkIdentity;
  private readonly journal: (run: string, line: string) => Promise<void>;
  private readonly shelf: AdapterShelf;
  private readonly bench: HeldBench;
  /** Jobs in a row that it could not do. */
  private unable = 0;
  /** It has had a job that was made with its token. */
  private proven = false;

  constructor(options: WorkerOptions, identity: WorkIdentity, journal: (run: string, line: string) => Promise<void>) {
    this.options = options;
    this.identity = identity;
    this.journal = journal;
    this.shelf = new AdapterShelf(options.model, options.store);
    this.bench = new HeldBench(options.model.runtime, options.model.files, options.store, options.scratch);
  }

  close(): void {
    this.shelf.clear();
    this.bench.clear();
  }

  async doJob(job: Job, signal: AbortSignal): Promise<Sealed> {
    const { token, store, model, log, name } = this.options;
    const id = job.id ?? "";
    const payload = await this.open(job, () => openSealed(token, "job", jobSchema, id, job.data));
    const { run, kind: kindName } = payload;
    await this.checkIdentity(run, payload.identity);
    const begun = performance.now();
    const kind = JOB_KINDS.get(kindName);
    if (kind === undefined) {
      throw new KvDistillError("unsupported", "there is no such kind of job", { where: id, got: kindName });
    }
    const work = checked(kind.work, payload.work, `job ${id}`);
    log.debug(() => `${id} begins, attempt ${job.attemptsMade + 1}`);
    let scratch: string | undefined;
    const failed: { count: number; first: FailedPieces["first"] } = { count: 0, first: [] };
    try {
      const own = await this.scratchFolder();
      scratch = own;
      const working = kind.run(work, {
        model: calledAs(model, payload.identity.model.name),
        store,
        folder: runFolder(run),
        scratch: own,
        adapter: (stored) => this.shelf.take(stored, own),
        training: () => this.bench,
        pieceFailed: (piece, failure) => {
          failed.count++;
          if (failed.first.length < MOST_NAMES) failed.first.push({ name: piece, ...failure });
        },
        lastAttempt: job.attemptsMade + 1 >= (job.opts.attempts ?? 1),
        signal,
      });
      // A worker that is told to stop gives its job back, however long the engine or the store still takes.
      const result = await unlessAborted(working, this.options.signal);
      this.unable = 0;
      log.info(`${id} done in ${formatDuration((performance.now() - begun) / 1000)}`);
      return sealJson(token, "result", { id, result, failed });
    } catch (error) {
      if (signal.aborted) {
        if (!this.options.signal.aborted) log.warn(`${id} was lost to another worker`);
        throw new Unable("the worker stops", 0);
      }
      if (isMachineFault(error)) {
        await this.tell(run, `${name} cannot work on it, others may: ${messageOf(error)}`);
        throw this.unableNow(messageOf(error));
      }
      await this.tell(run, `${id} failed on ${name}, attempt ${job.attemptsMade + 1}: ${messageOf(error)}`);
      throw error;
    } finally {
      if (scratch !== undefined) await rm(scratch, { recursive: true, force: true }).catch(() => undefined);
    }
  }

  /** All of a run's jobs have ended: their outcomes, each once and in order, are its result. */
  async finishRun(job: Job): Promise<Sealed> {
    const { token, store, log, name } = this.options;
    const id = job.id ?? "";
    const payload: RunPayload = await this.open(job, () => openSealed(token, "job", runSchema, id, job.data));
    await this.checkIdentity(payload.run, payload.identity);
    log.debug(() => `${id}: its results are put together`);
    try {
      const [values, failures] = await Promise.all([
        job.getChildrenValues<unknown>(),
        job.getIgnoredChildrenFailures(),
      ]);
      const outcomes = orderedOutcomes(payload, byId(values), byId(failures), token);
      const failed = outcomes.filter((outcome) => "failure" in outcome).length;
      const file = await unlessAborted(putJson(store, runFolder(payload.run), outcomes), this.options.signal);
      log.info(`${id}: all ${payload.jobs} jobs have ended, ${failed} failed`);
      return sealJson(token, "result", { id, outcomes: file, failed });
    } catch (error) {
      if (this.options.signal.aborted) throw new Unable("the worker stops", 0);
      if (!isMachineFault(error)) throw error;
      await this.tell(payload.run, `${name} cannot put its results together: ${messageOf(error)}`);
      throw this.unableNow(messageOf(error));
    }
  }

  /** What is no job of ours goes back, since it may be this worker that has a wrong token; after some rounds it is nobody's and fails. */
  private async open<T>(job: Job, read: () => T): Promise<T> {
    try {
      const value = read();
      this.proven = true;
      return value;
    } catch (error) {
      const why = `${this.options.name} refuses ${job.id ?? "a job"}: ${messageOf(error)}`;
      // Nothing in such a job can be believed but which run BullMQ counts it to.
      const run = job.parent?.id ?? job.id ?? "";
      if (RUN_NAME.test(run)) await this.tell(run, why);
      else this.options.log.warn(why);
      if (job.attemptsStarted > MOST_REFUSALS) throw error;
      const { restSeconds = REST_SECONDS } = this.options;
      // A worker whose token has fitted rests no longer for the next: forged jobs are to cost it little.
      throw new Unproven(why, this.proven ? restSeconds : this.nextRest(), restSeconds * RESTS_AWAY);
    }
  }

  private async checkIdentity(run: string, wanted: WorkIdentity): Promise<void> {
    const faults = identityFaults(wanted, this.identity);
    if (faults.length === 0) return;
    const why = `${this.options.name} refuses the run: ${faults.join("; ")}`;
    await this.tell(run, why);
    throw this.unableNow(why);
  }

  private unableNow(why: string): Unable {
    return new Unable(why, this.nextRest());
  }

  private nextRest(): number {
    const { restSeconds = REST_SECONDS } = this.options;
    return Math.min(restSeconds * 2 ** this.unable++, LONGEST_REST_SECONDS);
  }

  private async scratchFolder(): Promise<string> {
    const { scratch } = this.options;
    try {
      return await mkdtemp(join(scratch, "job-"));
    } catch (error) {
      throw isSystemError(error) ? diskError(error, scratch, "cannot make a folder") : error;
    }
  }

  private async tell(run: string, line: string): Promise<void> {
    this.options.log.warn(`${run}: ${line}`);
    await this.journal(run, line);
  }
}

/** @throws the signal's reason when it comes first; what the work then comes to is nobody's */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      reject(signal.reason as Error);
    };
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    void work.then(resolve, reject).finally(() => {
      signal.removeEventListener("abort", stop);
    });
  });
}

async function rest(worker: Worker, seconds: number, signal: AbortSignal): Promise<void> {
  await worker.pause(true);
  await pause(seconds * 1000, undefined, { signal, ref: false }).catch(() => undefined);
  if (!signal.aborted) await worker.resume();
}

import { isKvDistillError } from "../../util/errors.ts";
import { Refusal } from "../http/refusal.ts";
import type { FairQueue } from "./fair-queue.ts";

export interface JobLimits {
  /** Seconds that a job may take. */
  readonly seconds: number;
  /** Seconds that it may wait before. */
  readonly waitingSeconds: number;
}

/** A request that the model works on. */
export interface Job {
  /** Aborted when the client goes, the time is up or the server stops. */
  readonly signal: AbortSignal;
  readonly waitedSeconds: number;
  /** What is to be told of something that was thrown: why the job was stopped, rather than that it was. */
  explain(error: unknown): unknown;
  /** Stops the work: nobody waits for it any more. */
  abandon(): void;
  /** Frees the job's place; must follow, and may be called again. */
  end(): void;
}

/** Lets requests at the model: through the queue, for a limited time, as long as somebody waits for the answer. */
export class Jobs {
  readonly queue: FairQueue;
  private readonly limits: JobLimits;
  private readonly running = new Set<AbortController>();
  private stopped = false;

  constructor(queue: FairQueue, limits: JobLimits) {
    this.queue = queue;
    this.limits = limits;
  }

  /**
   * Waits for a place at the model.
   * @param client whose turn it is
   * @param gone aborted when the client is gone
   * @throws Refusal `queue-full`, `queue-timeout`, `shutting-down`, `client-gone`
   */
  async begin(client: string, gone: AbortSignal): Promise<Job> {
    const controller = new AbortController();
    const { signal } = controller;
    const abandon = (): void => {
      controller.abort(new Refusal("client-gone", "the client is gone"));
    };
    const { seconds, waitingSeconds } = this.limits;
    const begun = performance.now();
    let timer = setTimeout(() => {
      controller.abort(
        new Refusal("queue-timeout", `no place at the model became free within ${waitingSeconds} s`, {
          retryAfterSeconds: this.queue.retryAfterSeconds,
        }),
      );
    }, waitingSeconds * 1000);
    gone.addEventListener("abort", abandon, { once: true });
    this.running.add(controller);
    const forget = (): void => {
      clearTimeout(timer);
      gone.removeEventListener("abort", abandon);
      this.running.delete(controller);
    };
    try {
      if (gone.aborted) abandon();
      if (this.stopped) throw stopping();
      const leave = await this.queue.enter(client, signal);
      if (signal.aborted) {
        leave();
        throw signal.reason;
      }
      clearTimeout(timer);
      timer = setTimeout(() => {
        controller.abort(new Refusal("time-limit", `the request took longer than ${seconds} s`));
      }, seconds * 1000);
      return {
        signal,
        waitedSeconds: (performance.now() - begun) / 1000,
        explain: (error) => (isStop(error) && signal.aborted ? (signal.reason as unknown) : error),
        abandon,
        end: () => {
          forget();
          leave();
        },
      };
    } catch (error) {
      forget();
      throw error;
    }
  }

  /** Does a whole piece of work as one job. */
  async run<T>(client: string, gone: AbortSignal, work: (job: Job) => Promise<T>): Promise<T> {
    const job = await this.begin(client, gone);
    try {
      return await work(job);
    } catch (error) {
      throw job.explain(error);
    } finally {
      job.end();
    }
  }

  /** Stops every job and refuses new ones. */
  stop(): void {
    this.stopped = true;
    for (const controller of this.running) controller.abort(stopping());
  }
}

function stopping(): Refusal {
  return new Refusal("shutting-down", "the server is shutting down", { retryAfterSeconds: 5 });
}

function isStop(error: unknown): boolean {
  return (isKvDistillError(error) && error.code === "cancelled") || error instanceof Refusal;
}

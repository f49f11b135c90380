import { setTimeout as sleep } from "node:timers/promises";
import { KvDistillError } from "../../../util/errors.ts";

export interface RetryPolicy {
  /** Failures in a row before giving up; progress starts the count afresh. */
  readonly attempts: number;
  /** The wait after the first failure; it doubles with each further one. */
  readonly firstDelaySeconds: number;
  readonly longestDelaySeconds: number;
  /** A transfer without a byte for this long counts as failed. */
  readonly stallSeconds: number;
}

export const RETRY_POLICY: RetryPolicy = {
  attempts: 6,
  firstDelaySeconds: 1,
  longestDelaySeconds: 30,
  stallSeconds: 60,
};

/** A failure that may go away by itself. Becomes `failure` when no attempt is left. */
export class TransientFailure extends Error {
  readonly failure: KvDistillError;
  /** Seconds that the server asked to wait. */
  readonly waitSeconds: number | undefined;

  constructor(failure: KvDistillError, waitSeconds?: number) {
    super(failure.message);
    this.failure = failure;
    this.waitSeconds = waitSeconds;
  }
}

export interface RetryHooks {
  /** A number that grows while the work gets on; when it grew, failures are counted afresh. */
  readonly progress?: () => number;
  readonly onRetry?: (failure: KvDistillError, waitSeconds: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs `work` until it succeeds, waiting longer after each transient failure.
 * @throws whatever `work` throws that is not a `TransientFailure`; the failure of the last attempt; the signal's reason.
 */
export async function withRetries<T>(
  policy: RetryPolicy,
  work: () => Promise<T>,
  { progress = () => 0, onRetry, signal }: RetryHooks = {},
): Promise<T> {
  let failures = 0;
  let furthest = progress();
  for (;;) {
    try {
      return await work();
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof TransientFailure)) throw error;
      if (progress() > furthest) failures = 0;
      furthest = Math.max(furthest, progress());
      failures++;
      if (failures >= policy.attempts) throw error.failure;
      const wait = Math.min(policy.longestDelaySeconds, error.waitSeconds ?? backOff(policy, failures));
      onRetry?.(error.failure, wait);
      await sleep(wait * 1000, undefined, signal === undefined ? {} : { signal });
    }
  }
}

/** Doubling, and off by up to a quarter so that many clients do not come back at once. */
function backOff({ firstDelaySeconds }: RetryPolicy, failures: number): number {
  return firstDelaySeconds * 2 ** (failures - 1) * (0.75 + Math.random() / 2);
}

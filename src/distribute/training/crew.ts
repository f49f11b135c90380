import type { Failure } from "../jobs/payload.ts";
import type { TrainingJob } from "../jobs/training-job.ts";
import type { StoredFile } from "../store/key.ts";
import type { Store } from "../store/store.ts";

/** Jobs that are done side by side, and what they are told by. */
export interface Round<W, R> {
  readonly kind: TrainingJob<W, R>;
  /** Optimiser steps of the training run: those before the round, the round's, and all. */
  readonly place: { readonly done: number; readonly steps: number; readonly total: number };
  /** Writes the jobs' inputs to a folder of the store. Written again, they are the same but for the folder. */
  readonly jobs: (folder: string) => Promise<readonly W[]>;
  /** Passages of each job. */
  readonly units: readonly number[];
  /** Seconds after which the round ends with the jobs that are done, when there is one. Without it all are waited for. */
  readonly deadline?: number;
  readonly signal?: AbortSignal;
}

export type JobOutcome<R> = { readonly result: R } | { readonly failure: Failure };

/** Those who do the jobs of a training run: the workers of a queue, or this process alone. */
export interface Crew {
  readonly store: Store;
  /** A folder of this machine. */
  readonly scratch: string;
  /**
   * @returns outcomes in the order of the jobs
   * @throws KvDistillError `cancelled` when the signal ended the round; a later process may take it up again; what the store throws
   */
  round<W, R>(round: Round<W, R>): Promise<JobOutcome<R>[]>;
  /** The last round's results are taken: what it and earlier ones left in the store goes, but folders that hold `live` files. */
  settle(live: readonly StoredFile[]): Promise<void>;
  /** The run is at its end: all goes. */
  end(): Promise<void>;
}

/** Folder of a file that lies in a run's folder: `runs/NAME`. */
export function roundOf({ key }: StoredFile): string {
  return key.split("/").slice(0, 2).join("/");
}

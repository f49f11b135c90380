import type { z } from "zod";
import type { LoadedAdapter } from "../../compress/loaded-adapter.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import type { Store } from "../store/store.ts";
import type { Failure } from "./payload.ts";
import type { StoredAdapter } from "../store/adapter.ts";
import type { TrainingBench } from "./training-bench.ts";

/** What a worker lends a job. */
export interface JobContext {
  readonly model: LanguageModel;
  readonly store: Store;
  /** Of the run, in the store. */
  readonly folder: string;
  /** Folder of this machine for the job alone; it goes when the job ends. */
  readonly scratch: string;
  /** The adapter, where the model runs. It stays the worker's: the next job's may take its place. */
  readonly adapter: (stored: StoredAdapter) => Promise<LoadedAdapter>;
  /** Graphs, weights and parameters for jobs of training. They stay the worker's. */
  readonly training: () => TrainingBench;
  /** Tells of a piece of the work that failed for good, when the job goes on with the others. */
  readonly pieceFailed: (name: string, failure: Failure) => void;
  /** The job is not tried again when it fails now. */
  readonly lastAttempt: boolean;
  /** Aborted when the worker stops, or has lost the job to another. */
  readonly signal: AbortSignal;
}

/**
 * A sort of work that can be sent to other machines. It is data, checked, never code; large data lie in the store and are named by their
 * hash. Done twice, by two workers, it gives the same result.
 */
export interface JobKind<W, R> {
  readonly name: string;
  readonly work: z.ZodType<W>;
  readonly result: z.ZodType<R>;
  /** Throws what makes the job fail: it is tried again, and listed when that does not help. */
  readonly run: (work: W, context: JobContext) => Promise<R>;
}

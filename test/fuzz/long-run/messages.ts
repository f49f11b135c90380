import type { Failure, Slowest } from "../run-cases.ts";

/** Some cases of one target, as the supervisor asks for them. */
export interface Chunk {
  readonly target: string;
  readonly seed: number;
  readonly from: number;
  readonly to: number;
  /** Instead of cases: all damages of the target's small files. */
  readonly edges: boolean;
  /** Tell of every case before it is run, to find the one that ends the process. */
  readonly stepping: boolean;
  /** Files go through libuv's pool, as in use, and not as in direct-files.ts. */
  readonly pooled: boolean;
  /** Of the cases before; slower ones are told of. */
  readonly slowest: Slowest | undefined;
}

export type Done = Extract<Told, { readonly kind: "done" }>;

/** What the child tells. */
export type Told =
  /** A sign of life: the case that was reached. */
  | { readonly kind: "case"; readonly number: number }
  | {
      readonly kind: "done";
      readonly cases: number;
      readonly values: number;
      readonly refusals: readonly (readonly [string, number])[];
      readonly failures: readonly Failure[];
      readonly slowest: Slowest | undefined;
      /** Bytes by which the process grew at most during a batch, and its largest size. */
      readonly grown: number;
      readonly peak: number;
      /** Milliseconds of processor time. */
      readonly milliseconds: number;
    };

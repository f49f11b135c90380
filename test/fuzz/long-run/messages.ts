import type { Failure } from "../run-cases.ts";

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
}

/** What the child tells. */
export type Told =
  | { readonly kind: "case"; readonly number: number }
  | {
      readonly kind: "done";
      readonly cases: number;
      readonly values: number;
      readonly refusals: readonly (readonly [string, number])[];
      readonly failures: readonly Failure[];
    };

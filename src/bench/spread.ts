import { percentile } from "../evaluate/metrics/bootstrap.ts";
import { KvDistillError } from "../util/errors.ts";

/** Repeated measurements in short. Quartiles are linear between neighbours, as numpy.percentile has them. */
export interface Spread {
  readonly count: number;
  readonly median: number;
  readonly q1: number;
  readonly q3: number;
  readonly min: number;
  readonly max: number;
}

/** @throws KvDistillError `bad-argument` without values, `not-finite` */
export function spreadOf(values: readonly number[]): Spread {
  if (!values.every(Number.isFinite)) {
    throw new KvDistillError("not-finite", "a measurement is not a number", { got: values.join(", ") });
  }
  const sorted = Float64Array.from(values).sort();
  const at = (share: number): number => percentile(sorted, share);
  return { count: values.length, median: at(0.5), q1: at(0.25), q3: at(0.75), min: at(0), max: at(1) };
}

import { KvDistillError } from "../../util/errors.ts";
import { randomFromSeed } from "../../util/random.ts";

export interface BootstrapOptions {
  readonly seed: number;
  /** How often the samples are drawn anew. Default 10,000. */
  readonly resamples?: number;
  /** Share of resampled values inside the interval. Default 0.95. */
  readonly confidence?: number;
  /**
   * The group of each sample, such as its passage: whole groups are drawn instead of samples. Samples of one group are alike, and drawing
   * them one by one would make intervals too narrow. Default: every sample for itself.
   */
  readonly groups?: readonly number[];
}

export interface Interval {
  /** The value on the samples themselves. */
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** Resampled means of several methods on the same samples, with the same draws for all of them. */
export interface Bootstrap {
  /** Percentile interval of one column's mean. */
  meanOf(column: number): Interval;
  /**
   * Percentile interval of the mean of `column` − `other`, sample by sample. Where it excludes 0 the two differ by
   * more than the choice of samples explains.
   */
  differenceOf(column: number, other: number): Interval;
}

/**
 * The paired percentile bootstrap (Efron and Tibshirani 1993, chapter 13). `columns` holds one row of per-sample values
 * for each method, all over the same samples in the same order; each resample draws samples with replacement and
 * takes every column's mean over that one draw, so differences stay paired.
 * @throws KvDistillError `bad-argument` for columns that are missing, empty or of unequal length, or bad options;
 * `not-finite` for a value that is not finite.
 */
export function bootstrap(columns: readonly (readonly number[])[], options: BootstrapOptions): Bootstrap {
  const samples = checkedLength(columns);
  const { resamples = 10_000, confidence = 0.95 } = options;
  if (!Number.isInteger(resamples) || resamples < 1) fail("resamples", "a whole number from 1", resamples);
  if (!(confidence > 0 && confidence < 1)) fail("confidence", "between 0 and 1", confidence);
  const groups = options.groups ?? Array.from({ length: samples }, (_, sample) => sample);
  if (groups.length !== samples) fail("groups", `one for each of ${samples} samples`, groups.length);
  const means = resampledMeans(columns, groups, resamples, options.seed);
  const tail = (1 - confidence) / 2;

  function column(index: number): { values: readonly number[]; resampled: Float64Array } {
    const values = columns[index];
    const resampled = means[index];
    if (values === undefined || resampled === undefined) return fail("column", `0 … ${columns.length - 1}`, index);
    return { values, resampled };
  }

  function intervalOf(mean: number, resampled: Float64Array): Interval {
    const sorted = resampled.sort();
    return { mean, low: percentile(sorted, tail), high: percentile(sorted, 1 - tail) };
  }

  return {
    meanOf: (index) => {
      const { values, resampled } = column(index);
      return intervalOf(meanOfAll(values), resampled.slice());
    },
    differenceOf: (index, other) => {
      const a = column(index);
      const b = column(other);
      const differences = a.resampled.map((mean, resample) => mean - (b.resampled[resample] ?? 0));
      return intervalOf(meanOfAll(a.values) - meanOfAll(b.values), differences);
    },
  };
}

/**
 * The value below which a `share` (0 … 1) of the sorted values lies, linear between neighbours as numpy.percentile has
 * it by default.
 * @throws KvDistillError `bad-argument` without values or for a share outside 0 … 1.
 */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  if (sorted.length === 0) fail("values", "at least one", 0);
  if (!(share >= 0 && share <= 1)) fail("share", "0 … 1", share);
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const low = sorted[below] ?? 0;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] ?? low;
  return low + (high - low) * (at - below);
}

/** Means of every column over groups drawn with replacement, as many as there are. */
function resampledMeans(
  columns: readonly (readonly number[])[],
  groups: readonly number[],
  resamples: number,
  seed: number,
): Float64Array[] {
  const random = randomFromSeed(seed);
  const numbers = new Map([...new Set(groups)].map((group, number) => [group, number]));
  const sumOf = (values: (sample: number) => number): Float64Array => {
    const sums = new Float64Array(numbers.size);
    groups.forEach((group, sample) => {
      const number = numbers.get(group) ?? 0;
      sums[number] = (sums[number] ?? 0) + values(sample);
    });
    return sums;
  };
  const sizes = sumOf(() => 1);
  const sums = columns.map((column) => sumOf((sample) => column[sample] ?? 0));
  const means = columns.map(() => new Float64Array(resamples));
  const drawn = new Uint32Array(numbers.size);
  for (let resample = 0; resample < resamples; resample++) {
    for (let index = 0; index < drawn.length; index++) drawn[index] = random.integer(drawn.length);
    const size = sumAt(sizes, drawn);
    means.forEach((own, column) => (own[resample] = sumAt(sums[column] ?? sizes, drawn) / size));
  }
  return means;
}

function sumAt(values: Float64Array, places: Uint32Array): number {
  let sum = 0;
  for (const place of places) sum += values[place] ?? 0;
  return sum;
}

function checkedLength(columns: readonly (readonly number[])[]): number {
  const lengths = [...new Set(columns.map((column) => column.length))];
  const [length = 0] = lengths;
  if (lengths.length !== 1 || length === 0) {
    fail("columns", "at least one, none empty, all of one length", `lengths ${lengths.join(", ")}`);
  }
  if (columns.some((column) => !column.every(Number.isFinite))) {
    throw new KvDistillError("not-finite", "values to resample hold NaN or infinity");
  }
  return length;
}

function meanOfAll(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function fail(where: string, expected: string, got: number | string): never {
  throw new KvDistillError("bad-argument", "bootstrap", { where, expected, got: String(got) });
}

import { KvDistillError } from "../util/errors.ts";
import { randomFromSeed } from "../util/random.ts";

/** From which the kept part of a context is drawn, anew for each example (METHOD section 6). */
export interface KeepRange {
  /** `log-uniform` gives every factor of two the same share; `uniform` every percent. */
  readonly distribution: "log-uniform" | "uniform";
  /** 0 < low ≤ high ≤ 1: fractions kept. */
  readonly low: number;
  readonly high: number;
}

// One word of the stream's name, so that other draws of the same seed are independent of these.
const KEEP_STREAM = 1;

/**
 * The kept part of one example in one epoch. It depends on nothing else: not on the order of examples, the batch, or
 * what was drawn before, so a resumed or differently batched run draws the same. A range that moves during training
 * moves the value with it.
 * @throws KvDistillError `bad-argument` for an impossible range or seed.
 */
export function drawKeep(range: KeepRange, seed: number, epoch: number, example: number): number {
  return keepAt(range, randomFromSeed(seed, KEEP_STREAM, epoch, example).uniform());
}

/**
 * The value below which a `share` (0 … 1) of the distribution lies.
 * @throws KvDistillError `bad-argument` for an impossible range.
 */
export function keepAt(range: KeepRange, share: number): number {
  const { distribution, low, high } = range;
  if (!(low > 0 && low <= high && high <= 1)) {
    throw new KvDistillError("bad-argument", "range of the kept part", {
      expected: "0 < low ≤ high ≤ 1",
      got: `${low} … ${high}`,
    });
  }
  const value = distribution === "uniform" ? low + (high - low) * share : low * (high / low) ** share;
  // Powers and products may round past an end.
  return Math.min(high, Math.max(low, value));
}

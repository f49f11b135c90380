import { KvDistillError } from "../../util/errors.ts";

/**
 * How many rows of each source make a mixture of at most `most` rows that has the weights' proportions, to less than one row each. No
 * row is taken twice: the source that has least for its weight limits the whole.
 * @param available rows of each source
 * @throws KvDistillError `bad-argument` for weights that are not positive, or not one for each source
 */
export function mixtureShares(available: readonly number[], weights: readonly number[], most: number): number[] {
  checkWeights(weights, available.length);
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const whole = Math.min(most, ...available.map((count, i) => (count * sum) / (weights[i] ?? 1)));
  const exact = weights.map((weight) => (whole * weight) / sum);
  // A share that rounding has put just below a whole number is that number.
  const shares = exact.map((share) => Math.floor(share + 1e-9));
  let left = Math.floor(whole + 1e-9) - shares.reduce((total, share) => total + share, 0);
  const byRemainder = exact.map((share, i) => ({ i, remainder: share - (shares[i] ?? 0) }));
  byRemainder.sort((a, b) => b.remainder - a.remainder || a.i - b.i);
  for (const { i } of byRemainder) {
    if (left <= 0) break;
    const share = shares[i] ?? 0;
    if (share >= (available[i] ?? 0)) continue;
    shares[i] = share + 1;
    left--;
  }
  return shares;
}

/** @throws KvDistillError `bad-argument` */
export function checkWeights(weights: readonly number[], sources: number): void {
  const faults = weights
    .filter((weight) => !Number.isFinite(weight) || weight <= 0)
    .map((weight) => `expected a number above 0, got ${weight}`);
  if (weights.length !== sources) faults.push(`expected one for each of ${sources} sources, got ${weights.length}`);
  if (faults.length > 0) throw new KvDistillError("bad-argument", "weights of the mixture", { faults });
}

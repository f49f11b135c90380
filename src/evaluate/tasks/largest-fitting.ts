/**
 * The largest whole number from `least` on for which `fits`, when it does for all smaller ones; undefined when not even for `least`.
 * Few calls: the step doubles until it is too much, then halves.
 */
export function largestFitting(least: number, fits: (size: number) => boolean): number | undefined {
  if (!fits(least)) return undefined;
  let good = least;
  let step = 1;
  while (good + step < Number.MAX_SAFE_INTEGER && fits(good + step)) {
    good += step;
    step *= 2;
  }
  for (step = Math.floor(step / 2); step >= 1; step = Math.floor(step / 2)) if (fits(good + step)) good += step;
  return good;
}

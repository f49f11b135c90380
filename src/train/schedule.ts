export interface Schedule {
  readonly steps: number;
  readonly warmupSteps: number;
  /** Fraction of the peak that is left at the last step. */
  readonly floor: number;
}

/**
 * Factor on the peak learning rate: linear warm-up, then a cosine from 1 down to `floor`.
 * @param step counted from 0
 */
export function scheduleAt(step: number, { steps, warmupSteps, floor }: Schedule): number {
  if (step < warmupSteps) return (step + 1) / warmupSteps;
  const progress = Math.min(1, (step - warmupSteps) / Math.max(1, steps - warmupSteps));
  return floor + (1 - floor) * 0.5 * (1 + Math.cos(Math.PI * progress));
}

import { KvDistillError } from "../../util/errors.ts";
import { faultList } from "../../util/fault-list.ts";
import type { TrainConfig } from "../config.ts";
import type { Parameters } from "../parameters.ts";

/** Sums of deltas in float64, by the parameters' names. */
export class DeltaSum {
  private readonly sums = new Map<string, Float64Array>();
  private added = 0;

  /** Added in the same order, the same deltas give the same sum. */
  add(delta: Parameters): void {
    this.added++;
    for (const [name, { data }] of delta) {
      let sum = this.sums.get(name);
      if (sum === undefined) this.sums.set(name, (sum = new Float64Array(data.length)));
      for (const [i, value] of data.entries()) sum[i] = (sum[i] ?? 0) + value;
    }
  }

  get count(): number {
    return this.added;
  }

  /** Sum of a parameter's deltas; undefined when nothing was added. */
  of(name: string): Float64Array | undefined {
    return this.sums.get(name);
  }
}

/**
 * The step that ends a round (arXiv 2311.08105, algorithm 1, lines 12 to 14): the mean delta, which points from where the parts ended back to
 * where they began, is the gradient of SGD with Nesterov momentum. In place: parameters and momentum change.
 * @returns Euclidean norm of the mean delta
 * @throws KvDistillError `not-finite` when parameters or momentum no longer are numbers; they have changed by then
 */
export function outerStep(
  parameters: Parameters,
  momentum: Parameters,
  deltas: DeltaSum,
  { outerLearningRate, outerMomentum }: Pick<TrainConfig, "outerLearningRate" | "outerMomentum">,
): number {
  let squares = 0;
  const broken: string[] = [];
  // A run that goes on has them in another order.
  for (const [name, { data }] of [...parameters].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const [sum, velocity] = [deltas.of(name), momentum.get(name)?.data];
    if (sum === undefined || velocity === undefined) continue;
    let check = 0;
    for (let i = 0; i < data.length; i++) {
      const gradient = (sum[i] ?? 0) / deltas.count;
      const moved = outerMomentum * (velocity[i] ?? 0) + gradient;
      velocity[i] = moved;
      const next = (data[i] ?? 0) - outerLearningRate * (gradient + outerMomentum * moved);
      data[i] = next;
      squares += gradient * gradient;
      // 0 for a number that float32 holds, NaN for all else.
      check += Math.fround(next) * 0 + Math.fround(moved) * 0;
    }
    if (check !== 0) broken.push(name);
  }
  if (broken.length === 0) return Math.sqrt(squares);
  throw new KvDistillError("not-finite", "parameters are no longer numbers after a round", {
    faults: faultList(broken),
    hint: "lower the learning rates and resume from the last checkpoint",
  });
}

import { zeros } from "../tensor/tensor.ts";
import { KvDistillError } from "../util/errors.ts";
import { faultList } from "../util/fault-list.ts";
import type { Parameters } from "./parameters.ts";

export interface AdamWSettings {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Decoupled from the gradient, scaled by the learning rate. */
  readonly weightDecay: number;
}

/** First and second moments of the gradients, shaped as the parameters. */
export interface Moments {
  readonly first: Parameters;
  readonly second: Parameters;
}

export function zeroMoments(parameters: Parameters): Moments {
  const empty = (): Parameters =>
    new Map([...parameters].map(([name, { dims }]) => [name, zeros("float32", dims)] as const));
  return { first: empty(), second: empty() };
}

/**
 * One AdamW step (arXiv 1711.05101, algorithm 2, with bias correction), in place: parameters and moments change.
 * @param step counted from 1
 * @param learningRate by parameter name
 * @throws KvDistillError `not-finite` when parameters or moments no longer are numbers; they have changed by then
 */
export function adamW(
  parameters: Parameters,
  moments: Moments,
  gradients: Parameters,
  step: number,
  learningRate: (name: string) => number,
  { beta1, beta2, epsilon, weightDecay }: AdamWSettings,
): void {
  const broken: string[] = [];
  const correction1 = 1 - beta1 ** step;
  const correction2 = 1 - beta2 ** step;
  for (const [name, { data }] of parameters) {
    const [m, v, g] = [moments.first.get(name)?.data, moments.second.get(name)?.data, gradients.get(name)?.data];
    // A parameter that the loss does not reach (queries and outputs of the last layer) stays as it is.
    if (m === undefined || v === undefined || g === undefined) continue;
    const rate = learningRate(name);
    let check = 0;
    for (let i = 0; i < data.length; i++) {
      const gradient = g[i] ?? 0;
      const first = beta1 * (m[i] ?? 0) + (1 - beta1) * gradient;
      const second = beta2 * (v[i] ?? 0) + (1 - beta2) * gradient * gradient;
      m[i] = first;
      v[i] = second;
      const value = data[i] ?? 0;
      const next =
        value - rate * (first / correction1 / (Math.sqrt(second / correction2) + epsilon) + weightDecay * value);
      data[i] = next;
      // 0 for a number that float32 holds, NaN for all else.
      check += Math.fround(next) * 0 + Math.fround(second) * 0;
    }
    if (check !== 0) broken.push(name);
  }
  if (broken.length > 0) {
    throw new KvDistillError("not-finite", "parameters are no longer numbers", {
      faults: faultList(broken),
      hint: "lower the learning rate and resume from the last checkpoint",
    });
  }
}

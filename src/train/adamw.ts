import { zeros } from "../tensor/tensor.ts";
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
 */
export function adamW(
  parameters: Parameters,
  moments: Moments,
  gradients: Parameters,
  step: number,
  learningRate: (name: string) => number,
  { beta1, beta2, epsilon, weightDecay }: AdamWSettings,
): void {
  const correction1 = 1 - beta1 ** step;
  const correction2 = 1 - beta2 ** step;
  for (const [name, { data }] of parameters) {
    const [m, v, g] = [moments.first.get(name)?.data, moments.second.get(name)?.data, gradients.get(name)?.data];
    // A parameter that the loss does not reach (queries and outputs of the last layer) stays as it is.
    if (m === undefined || v === undefined || g === undefined) continue;
    const rate = learningRate(name);
    for (let i = 0; i < data.length; i++) {
      const gradient = g[i] ?? 0;
      const first = beta1 * (m[i] ?? 0) + (1 - beta1) * gradient;
      const second = beta2 * (v[i] ?? 0) + (1 - beta2) * gradient * gradient;
      m[i] = first;
      v[i] = second;
      const value = data[i] ?? 0;
      data[i] =
        value - rate * (first / correction1 / (Math.sqrt(second / correction2) + epsilon) + weightDecay * value);
    }
  }
}

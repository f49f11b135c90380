import type { AdapterConfig, AdapterGate } from "../cache/adapter.ts";

/**
 * How a score acts on the keys of a kept token (METHOD section 3).
 * - "sigmoid": keys are multiplied by σ(score), the paper's choice.
 * - "straight-through": keys are left alone, but the gradient flows back as if they had been multiplied by σ(score).
 */
export type Gate = AdapterGate;
export const GATES: readonly Gate[] = ["sigmoid", "straight-through"];

/** Position of the first token that has a gate; those in front of it have gate 1 (METHOD section 3). */
export function firstGated({ sinkGate }: Pick<AdapterConfig, "sinkGate">, sinks: number): number {
  return sinkGate === "one" ? sinks : 0;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** Factor on the keys of a kept token. */
export function gateValue(gate: Gate, score: number): number {
  return gate === "sigmoid" ? sigmoid(score) : 1;
}

/** Derivative of the factor by the score, as the gradient sees it. */
export function gateSlope(score: number): number {
  const value = sigmoid(score);
  return value * (1 - value);
}

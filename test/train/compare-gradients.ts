import { expect } from "vitest";
import type { Parameters } from "../../src/train/parameters.ts";

/** Allowed distance of a gradient, as a part of its norm. */
const TOLERANCE = 1e-3;

/**
 * Every wanted gradient is there and within 1e-3 relative norm.
 * @param zeros how many of them are zero throughout: what never reaches the cache
 */
export function expectGradients(got: Parameters, wanted: Parameters, zeros: number): void {
  const apart: string[] = [];
  let zero = 0;
  expect([...got.keys()].sort()).toEqual([...wanted.keys()].filter((name) => got.has(name)).sort());
  for (const [name, { data }] of wanted) {
    const norm = Math.hypot(...data);
    if (norm === 0) zero++;
    // A gradient that is not computed counts as zero.
    const own = got.get(name)?.data ?? new Float32Array(data.length);
    const distance = Math.hypot(...data.map((value, i) => value - (own[i] ?? NaN)));
    if (!(distance <= TOLERANCE * norm)) apart.push(`${name}: |difference| ${distance}, |gradient| ${norm}`);
  }
  expect(apart).toEqual([]);
  expect(zero).toBe(zeros);
}

/** |got / wanted − 1| for the loss of a step and the two parts that it is made of. */
export function expectLosses(got: Losses, wanted: Losses, tolerance: number, ofParts = tolerance): void {
  for (const name of ["loss", "forwardKl", "reverseKl"] as const) {
    expect(Math.abs(got[name] / wanted[name] - 1), name).toBeLessThan(name === "loss" ? tolerance : ofParts);
  }
}

export interface Losses {
  readonly loss: number;
  readonly forwardKl: number;
  readonly reverseKl: number;
}

import { expect } from "vitest";
import type { Array64 } from "../../src/graph/interpreter/array.ts";

/** Largest difference, relative to the largest expected element (absolute where all are 0). Infinity for another shape or a NaN. */
export function relativeError(actual: Array64, expected: Array64): number {
  if (actual.dims.join() !== expected.dims.join()) return Infinity;
  const largest = expected.data.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
  const difference = expected.data.reduce((top, value, i) => {
    const gap = Math.abs((actual.data[i] ?? NaN) - value);
    return Math.max(top, Number.isNaN(gap) ? Infinity : gap);
  }, 0);
  return largest === 0 ? difference : difference / largest;
}

/** Fails unless both hold the same outputs, each within `tolerance` of the largest element. */
export function expectClose(
  actual: Readonly<Record<string, Array64>>,
  expected: Readonly<Record<string, Array64>>,
  tolerance: number,
): void {
  expect(Object.keys(actual)).toEqual(Object.keys(expected));
  for (const [name, value] of Object.entries(expected)) {
    const other = actual[name];
    const error = other === undefined ? Infinity : relativeError(other, value);
    expect(error, `${name}\n  expected ${show(value)}\n  got ${show(other)}`).toBeLessThanOrEqual(tolerance);
  }
}

function show(value: Array64 | undefined): string {
  return value === undefined ? "nothing" : `[${value.dims.join(",")}] ${value.data.slice(0, 8).join(" ")}`;
}

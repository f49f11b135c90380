import type { Graph } from "../../src/graph/graph.ts";
import type { Array64 } from "../../src/graph/interpreter/array.ts";
import { interpret } from "../../src/graph/interpreter/interpreter.ts";
import type { Feeds } from "./feeds.ts";

/** Best step for a third derivative of about 1: truncation and rounding errors both near 1e-11. */
const STEP = 2 ** -17;

/**
 * Gradient of Σ ⟨output, fed d.<output>⟩ by one fed array, element by element in float64: (f(x + h) − f(x − h)) / 2h.
 */
export function centralDifferences(forward: Graph, feeds: Feeds, wrt: string): Array64 {
  const x = fed(feeds, wrt);
  const lossAt = (i: number, step: number): number => {
    const moved = { dims: x.dims, data: x.data.with(i, (x.data[i] ?? NaN) + step) };
    const outputs = Object.entries(interpret(forward, { ...feeds, [wrt]: moved }));
    return outputs.reduce((sum, [name, value]) => sum + dot(value, fed(feeds, `d.${name}`)), 0);
  };
  return { dims: x.dims, data: x.data.map((_, i) => (lossAt(i, STEP) - lossAt(i, -STEP)) / (2 * STEP)) };
}

function fed(feeds: Feeds, name: string): Array64 {
  const value = feeds[name];
  if (value === undefined) throw new Error(`${name} is not fed`);
  return value;
}

function dot(a: Array64, b: Array64): number {
  return a.data.reduce((sum, value, i) => sum + value * (b.data[i] ?? NaN), 0);
}

import { KvDistillError } from "../errors.ts";
import type { ChartPoint } from "./chart.ts";

/**
 * Many points made fewer, for curves of thousands of steps: at most `bins` runs of neighbours, each drawn at the mean
 * of its x and y with the smallest and largest y as its band. `points` are in order of x. Points whose y is not
 * finite keep their place: a run with one has a y that is not finite, so that the gap shows.
 * @throws KvDistillError `bad-argument` when `bins` is not a whole number of at least 1.
 */
export function binPoints(points: readonly { readonly x: number; readonly y: number }[], bins: number): ChartPoint[] {
  if (!Number.isInteger(bins) || bins < 1) {
    throw new KvDistillError("bad-argument", "number of bins", {
      expected: "a whole number from 1",
      got: String(bins),
    });
  }
  if (points.length <= bins) return points.map(({ x, y }) => ({ x, y }));
  return Array.from({ length: bins }, (_, bin) => {
    const from = Math.floor((bin * points.length) / bins);
    const to = Math.floor(((bin + 1) * points.length) / bins);
    return summarise(points.slice(from, to));
  });
}

function summarise(run: readonly { readonly x: number; readonly y: number }[]): ChartPoint {
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const ys = run.map((point) => point.y);
  return { x: mean(run.map((point) => point.x)), y: mean(ys), low: Math.min(...ys), high: Math.max(...ys) };
}

import type { ChartPoint, ChartSeries } from "../util/svg/chart.ts";
import { lineChart } from "../util/svg/line-chart.ts";
import type { CurvePoint } from "./metrics.ts";

/** Points drawn of each curve, whatever the number of steps. */
const MOST_POINTS = 300;
/** The mean runs over a fortieth of the steps. */
const WINDOWS = 40;

/**
 * Loss and both divergences over the steps, as an SVG file: the line is a centred mean over a window of steps, the band reaches from the
 * smallest to the largest single step in it.
 * @param width in pixels; text keeps its size
 */
export function lossCurve(points: readonly CurvePoint[], title: string, width?: number): string {
  const half = Math.floor(points.length / WINDOWS / 2);
  const curves = { loss: "loss", forwardKl: "forward KL", reverseKl: "reverse KL" } as const;
  const series = (Object.keys(curves) as (keyof typeof curves)[]).map((key): ChartSeries => ({
    name: curves[key],
    points: smooth(points, key, half),
  }));
  return lineChart({
    ...(width === undefined ? {} : { width }),
    title,
    subtitle: half === 0 ? "every step" : `mean of ${2 * half + 1} steps, with the range of the single steps`,
    x: { label: "step" },
    y: { label: "divergence from the full cache", unit: "nats a token" },
    series,
  });
}

function smooth(points: readonly CurvePoint[], key: "loss" | "forwardKl" | "reverseKl", half: number): ChartPoint[] {
  const count = Math.min(points.length, MOST_POINTS);
  return Array.from({ length: count }, (_, i) => {
    const at = count === 1 ? 0 : Math.round((i * (points.length - 1)) / (count - 1));
    const values = points.slice(Math.max(0, at - half), at + half + 1).map((point) => point[key]);
    const y = values.reduce((sum, value) => sum + value, 0) / values.length;
    const x = points[at]?.step ?? 0;
    return half === 0 ? { x, y } : { x, y, low: Math.min(...values), high: Math.max(...values) };
  });
}

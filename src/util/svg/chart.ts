import { KvDistillError } from "../errors.ts";

export interface ChartPoint {
  readonly x: number;
  /** A value that is not finite breaks the line. */
  readonly y: number;
  /** The interval around `y`; both or neither. */
  readonly low?: number;
  readonly high?: number;
}

export interface ChartSeries {
  readonly name: string;
  /** In the order in which they are joined. */
  readonly points: readonly ChartPoint[];
  /** How intervals are drawn. Bars of several series stand side by side, and show where a series has a single point. Default: band. */
  readonly intervals?: "band" | "bars";
  /** A level or point to compare with, not one of the things compared: grey and dashed, a level without marks. */
  readonly reference?: boolean;
  /** Drawn thicker, the one that the chart is about. */
  readonly strong?: boolean;
}

export interface ChartAxis {
  readonly label: string;
  /** Written after the label in brackets. */
  readonly unit?: string;
  /** Default `linear`. A log axis takes positive values only. */
  readonly scale?: "linear" | "log";
  /** First and last value; may run downwards. Default: what the data needs, rounded to ticks. */
  readonly domain?: readonly [number, number];
  /** Default: about six, at round values. */
  readonly ticks?: readonly number[];
  /** How tick values are written. Default: at most six significant digits. */
  readonly format?: (value: number) => string;
}

export interface LineChart {
  readonly title: string;
  readonly subtitle?: string;
  readonly x: ChartAxis;
  readonly y: ChartAxis;
  readonly series: readonly ChartSeries[];
  /** Pixels; default 720. The height is 420, more where heading and legend take many lines. */
  readonly width?: number;
}

/**
 * Checks what a chart cannot draw.
 * @throws KvDistillError `bad-argument` listing every fault.
 */
export function checkChart(chart: LineChart): void {
  const faults = [...axisFaults("x", chart.x), ...axisFaults("y", chart.y)];
  if (!chart.series.some((series) => series.points.some((point) => Number.isFinite(point.y)))) {
    faults.push("no series has a point with a finite y");
  }
  for (const series of chart.series) {
    for (const [index, point] of series.points.entries()) {
      faults.push(...pointFaults(chart, point).map((fault) => `series "${series.name}", point ${index}: ${fault}`));
    }
  }
  if (faults.length > 0) {
    throw new KvDistillError("bad-argument", "the chart cannot be drawn", { where: chart.title, faults });
  }
}

function axisFaults(name: string, axis: ChartAxis): string[] {
  const given = [...(axis.domain ?? []), ...(axis.ticks ?? [])];
  const bad = given.filter((value) => !Number.isFinite(value) || (axis.scale === "log" && value <= 0));
  const faults = bad.map((value) => `${name} axis: domain and ticks cannot hold ${value}`);
  if (axis.domain !== undefined && axis.domain[0] === axis.domain[1]) faults.push(`${name} axis: the domain is empty`);
  return faults;
}

function pointFaults(chart: LineChart, point: ChartPoint): string[] {
  const faults: string[] = [];
  const values = [point.y, point.low, point.high].filter((value) => value !== undefined);
  if (!Number.isFinite(point.x)) faults.push(`x is ${point.x}`);
  if (chart.x.scale === "log" && point.x <= 0) faults.push(`x is ${point.x} on a log axis`);
  if (chart.y.scale === "log" && values.some((value) => value <= 0)) faults.push("a value at or below 0 on a log axis");
  if ((point.low === undefined) !== (point.high === undefined)) faults.push("low and high come together");
  return faults;
}

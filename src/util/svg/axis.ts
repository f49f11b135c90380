import { scaleLinear, scaleLog } from "d3-scale";
import type { ChartAxis } from "./chart.ts";

/** An axis laid on pixels. */
export interface AxisScale {
  /** Pixel of a value. */
  readonly at: (value: number) => number;
  /** In the order of the axis. */
  readonly ticks: readonly { readonly at: number; readonly text: string }[];
  readonly title: string;
  readonly format: (value: number) => string;
}

const ABOUT_TICKS = 6;

/**
 * Lays an axis over the pixels `from` … `to`. Without a domain it spans `values` (finite; positive for a log axis),
 * widened to round ticks.
 */
export function layAxis(axis: ChartAxis, values: readonly number[], from: number, to: number): AxisScale {
  const format = axis.format ?? plainTick;
  const domain = axis.domain ?? spanOf(values, axis.scale === "log");
  const scale = axis.scale === "log" ? scaleLog(domain, [from, to]) : scaleLinear(domain, [from, to]);
  if (axis.domain === undefined) scale.nice();
  const ticks = axis.ticks ?? (axis.scale === "log" ? fewerOnLog(scale.ticks(ABOUT_TICKS)) : scale.ticks(ABOUT_TICKS));
  return {
    at: scale,
    ticks: ticks.map((value) => ({ at: scale(value), text: format(value) })),
    title: axisTitle(axis),
    format,
  };
}

/** The label, with its unit in brackets. */
export function axisTitle({ label, unit }: ChartAxis): string {
  return unit === undefined ? label : `${label} (${unit})`;
}

/** Of the many ticks of a log axis the powers of ten, with 2 and 5 between them over a short span. */
function fewerOnLog(ticks: readonly number[]): readonly number[] {
  if (ticks.length <= ABOUT_TICKS) return ticks;
  const span = Math.log10((ticks.at(-1) ?? 1) / (ticks[0] ?? 1));
  const digits = Math.abs(span) <= 2 ? ["1", "2", "5"] : ["1"];
  return ticks.filter((value) => digits.includes(value.toExponential()[0] ?? ""));
}

function spanOf(values: readonly number[], log: boolean): [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  // A span near the precision of numbers has no ticks of its own.
  if (high - low > Math.max(Math.abs(low), Math.abs(high)) * 1e-9) return [low, high];
  if (log) return [low / 2, low * 2];
  const room = low === 0 ? 1 : Math.abs(low) / 10;
  return [low - room, low + room];
}

function plainTick(value: number): string {
  return String(Number(value.toPrecision(6)));
}

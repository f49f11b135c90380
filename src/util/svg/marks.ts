import { area, line, symbol, symbolCircle, symbolDiamond, symbolSquare, symbolTriangle } from "d3-shape";
import type { AxisScale } from "./axis.ts";
import type { ChartPoint, ChartSeries } from "./chart.ts";
import { element, escapeMarkup } from "./element.ts";
import type { Markup } from "./element.ts";
import { SERIES_COLOURS } from "./theme.ts";

const SHAPES = [symbolCircle, symbolSquare, symbolTriangle, symbolDiamond] as const;
// From the second round of colours on, lines are dashed.
const DASHES = ["", "6 3", "2 3", "8 3 2 3"] as const;
// Lines with more points than this are drawn without marks.
const MOST_MARKS = 40;
const MARK_AREA = 34;

/** Band, line and marks of one series, with its values as hover titles. */
export function drawSeries(series: ChartSeries, index: number, x: AxisScale, y: AxisScale): Markup {
  const title = element("title", {}, escapeMarkup(series.name));
  const body = drawBand(series, index, x, y) + drawLine(series, index, x, y);
  const marks = series.points.length <= MOST_MARKS ? drawMarks(series, index, x, y) : "";
  return element("g", {}, title + body + marks);
}

/** A short piece of the line with its mark, for the legend; `x`, `y` in pixels, 22 wide. */
export function drawSwatch(index: number, x: number, y: number, marked: boolean): Markup {
  const stroke = element("path", { d: `M${x},${y}h22`, ...strokeOf(index) });
  return marked ? stroke + element("path", markAt(index, x + 11, y)) : stroke;
}

/** True for series short enough to get marks. */
export function isMarked(series: ChartSeries): boolean {
  return series.points.length <= MOST_MARKS;
}

function drawBand(series: ChartSeries, index: number, x: AxisScale, y: AxisScale): Markup {
  const path = area<ChartPoint>()
    .defined((point) => Number.isFinite(point.low) && Number.isFinite(point.high))
    .x((point) => x.at(point.x))
    .y0((point) => y.at(point.low ?? point.y))
    .y1((point) => y.at(point.high ?? point.y))
    .digits(2)(series.points);
  if (path === null || path === "") return "";
  return element("path", { class: `area${index % SERIES_COLOURS}`, "fill-opacity": 0.16, d: path });
}

function drawLine(series: ChartSeries, index: number, x: AxisScale, y: AxisScale): Markup {
  const path = line<ChartPoint>()
    .defined((point) => Number.isFinite(point.y))
    .x((point) => x.at(point.x))
    .y((point) => y.at(point.y))
    .digits(2)(series.points);
  return path === null || path === "" ? "" : element("path", { d: path, ...strokeOf(index) });
}

function drawMarks(series: ChartSeries, index: number, x: AxisScale, y: AxisScale): Markup {
  return series.points
    .filter((point) => Number.isFinite(point.y))
    .map((point) => {
      const value = `${series.name}: ${x.format(point.x)}, ${y.format(point.y)}${interval(point, y)}`;
      return element("path", markAt(index, x.at(point.x), y.at(point.y)), element("title", {}, escapeMarkup(value)));
    })
    .join("");
}

function interval(point: ChartPoint, y: AxisScale): string {
  if (point.low === undefined || point.high === undefined) return "";
  return ` (${y.format(point.low)} – ${y.format(point.high)})`;
}

function strokeOf(index: number): Record<string, string | number> {
  const dash = DASHES[Math.floor(index / SERIES_COLOURS) % DASHES.length] ?? "";
  return {
    class: `line${index % SERIES_COLOURS}`,
    "stroke-width": 2,
    "stroke-linejoin": "round",
    ...(dash === "" ? {} : { "stroke-dasharray": dash }),
  };
}

function markAt(index: number, x: number, y: number): Record<string, string> {
  const shape = SHAPES[index % SHAPES.length] ?? symbolCircle;
  const at = `translate(${x.toFixed(2)},${y.toFixed(2)})`;
  return { class: `area${index % SERIES_COLOURS}`, transform: at, d: symbol(shape, MARK_AREA).digits(2)() ?? "" };
}

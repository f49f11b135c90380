import {
  area,
  line,
  symbol,
  symbolCircle,
  symbolDiamond,
  symbolSquare,
  symbolTriangle,
  type SymbolType,
} from "d3-shape";
import type { AxisScale } from "./axis.ts";
import type { ChartPoint, ChartSeries } from "./chart.ts";
import { element, escapeMarkup } from "./element.ts";
import type { Markup } from "./element.ts";
import { SERIES_COLOURS } from "./theme.ts";

const SHAPES = [symbolCircle, symbolSquare, symbolTriangle, symbolDiamond] as const;
// From the second round of colours on, lines are dashed.
const DASHES = ["", "6 3", "2 3", "8 3 2 3"] as const;
const REFERENCE_DASHES = ["7 4", "2 4", "10 3 2 3"] as const;
// Lines with more points than this are drawn without marks.
const MOST_MARKS = 40;
const MARK_AREA = 34;
// Pixels between the bars of neighbouring series, half the width of a bar's ends, and what a mark takes beside its middle.
const BAR_STEP = 4;
const LEAST_BAR_STEP = 1.5;
const BAR_END = 3;
const MARK_REACH = 5;

/** How one series is told from the others. */
export interface SeriesLook {
  /** Ending of its style classes. */
  readonly colour: string;
  readonly dash: string;
  readonly shape: SymbolType;
}

/**
 * Looks of all series of a chart; colours are given in order, so that equal lists look equal in every chart. What a chart is about has the
 * first, whatever it is compared with.
 */
export function seriesLooks(all: readonly ChartSeries[]): SeriesLook[] {
  const references = all.filter((series) => series.reference === true);
  const compared = all
    .filter((series) => series.reference !== true)
    .sort((a, b) => Number(b.strong ?? false) - Number(a.strong ?? false));
  return all.map((series) => {
    const index = compared.indexOf(series);
    if (index === -1) {
      const dash = REFERENCE_DASHES[references.indexOf(series) % REFERENCE_DASHES.length] ?? "";
      return { colour: "reference", dash, shape: symbolCircle };
    }
    return {
      colour: String(index % SERIES_COLOURS),
      dash: DASHES[Math.floor(index / SERIES_COLOURS) % DASHES.length] ?? "",
      shape: SHAPES[index % SHAPES.length] ?? symbolCircle,
    };
  });
}

/** Pixels that bars and marks take beside the first and the last place of a chart. */
export function barRoom(all: readonly ChartSeries[]): number {
  const { length } = barredOf(all);
  return length === 0 ? 0 : ((length - 1) / 2) * BAR_STEP + MARK_REACH;
}

/**
 * Pixels by which the marks of each series stand beside their place, so that bars do not cover each other, nor reach those of the next place
 * where there is any room between them.
 */
export function barShifts(all: readonly ChartSeries[], x: AxisScale): number[] {
  const barred = barredOf(all);
  const places = [...new Set(barred.flatMap(({ points }) => points.map((point) => x.at(point.x))))].sort(
    (a, b) => a - b,
  );
  const gap = Math.min(...places.slice(1).map((place, i) => place - (places[i] ?? place)));
  const step = Math.max(LEAST_BAR_STEP, Math.min(BAR_STEP, gap / (barred.length + 1)));
  return all.map((series) => {
    const bar = barred.indexOf(series);
    return bar === -1 ? 0 : (bar - (barred.length - 1) / 2) * step;
  });
}

function barredOf(all: readonly ChartSeries[]): readonly ChartSeries[] {
  return all.filter(({ reference = false, intervals }) => !reference && intervals === "bars");
}

/** A series with how it looks, and how far it stands beside its place. */
export interface PlacedSeries {
  readonly series: ChartSeries;
  readonly look: SeriesLook;
  readonly shift: number;
  /** Pixels by which it goes on beyond its first and its last place: a level reaches as far as the bars that it is compared with. */
  readonly reach: number;
}

/** Intervals, line and marks of one series, with its values as hover titles. */
export function drawSeries({ series, look, shift, reach }: PlacedSeries, x: AxisScale, y: AxisScale): Markup {
  const [first, last] = [series.points[0], series.points.at(-1)];
  const beyond = (point: ChartPoint): number =>
    first === last ? 0 : point === first ? -reach : point === last ? reach : 0;
  const at = { x: (point: ChartPoint) => x.at(point.x) + shift + beyond(point), y: (value: number) => y.at(value) };
  const title = element("title", {}, escapeMarkup(series.name));
  const intervals = series.intervals === "bars" ? drawBars(series, look, at) : drawBand(series, look, at);
  const marks = isMarked(series) ? drawMarks(series, look, at, x, y) : "";
  return element("g", {}, title + intervals + drawLine(series, look, at) + marks);
}

/** A short piece of the line with its mark, for the legend; `x`, `y` in pixels, 22 wide. */
export function drawSwatch(series: ChartSeries, look: SeriesLook, x: number, y: number): Markup {
  const stroke = element("path", { d: `M${x},${y}h22`, ...strokeOf(series, look) });
  return isMarked(series) ? stroke + element("path", markAt(look, x + 11, y)) : stroke;
}

/** True for series short enough to get marks; a level needs none. */
function isMarked({ points, reference = false }: ChartSeries): boolean {
  return points.length <= (reference ? 1 : MOST_MARKS);
}

interface Places {
  readonly x: (point: ChartPoint) => number;
  readonly y: (value: number) => number;
}

function drawBand(series: ChartSeries, { colour }: SeriesLook, at: Places): Markup {
  const path = area<ChartPoint>()
    .defined((point) => Number.isFinite(point.low) && Number.isFinite(point.high))
    .x(at.x)
    .y0((point) => at.y(point.low ?? point.y))
    .y1((point) => at.y(point.high ?? point.y))
    .digits(2)(series.points);
  if (path === null || path === "") return "";
  return element("path", { class: `area${colour}`, "fill-opacity": series.reference === true ? 0.1 : 0.16, d: path });
}

function drawBars(series: ChartSeries, { colour }: SeriesLook, at: Places): Markup {
  const bars = series.points.flatMap((point) => {
    const { low = NaN, high = NaN } = point;
    if (!Number.isFinite(low) || !Number.isFinite(high)) return [];
    const [x, top, bottom] = [at.x(point), at.y(high), at.y(low)].map((value) => value.toFixed(2));
    const end = (y = ""): string => `M${(Number(x) - BAR_END).toFixed(2)},${y}h${2 * BAR_END}`;
    return [`M${x},${top}V${bottom}${end(top)}${end(bottom)}`];
  });
  if (bars.length === 0) return "";
  return element("path", { class: `line${colour}`, "stroke-width": 1.4, "stroke-opacity": 0.75, d: bars.join("") });
}

function drawLine(series: ChartSeries, look: SeriesLook, at: Places): Markup {
  const path = line<ChartPoint>()
    .defined((point) => Number.isFinite(point.y))
    .x(at.x)
    .y((point) => at.y(point.y))
    .digits(2)(series.points);
  return path === null || path === "" ? "" : element("path", { d: path, ...strokeOf(series, look) });
}

function drawMarks(series: ChartSeries, look: SeriesLook, at: Places, x: AxisScale, y: AxisScale): Markup {
  return series.points
    .filter((point) => Number.isFinite(point.y))
    .map((point) => {
      const value = `${series.name}: ${x.format(point.x)}, ${y.format(point.y)}${interval(point, y)}`;
      return element("path", markAt(look, at.x(point), at.y(point.y)), element("title", {}, escapeMarkup(value)));
    })
    .join("");
}

function interval(point: ChartPoint, y: AxisScale): string {
  if (point.low === undefined || point.high === undefined) return "";
  return ` (${y.format(point.low)} – ${y.format(point.high)})`;
}

function strokeOf({ strong = false }: ChartSeries, { colour, dash }: SeriesLook): Record<string, string | number> {
  return {
    class: `line${colour}`,
    "stroke-width": strong ? 3 : 1.8,
    "stroke-linejoin": "round",
    ...(dash === "" ? {} : { "stroke-dasharray": dash }),
  };
}

function markAt({ colour, shape }: SeriesLook, x: number, y: number): Record<string, string> {
  const at = `translate(${x.toFixed(2)},${y.toFixed(2)})`;
  return { class: `area${colour}`, transform: at, d: symbol(shape, MARK_AREA).digits(2)() ?? "" };
}

import { columnsOf, wrapText } from "../text-width.ts";
import { axisTitle, layAxis } from "./axis.ts";
import type { AxisScale } from "./axis.ts";
import { checkChart } from "./chart.ts";
import type { ChartSeries, LineChart } from "./chart.ts";
import { element, escapeMarkup } from "./element.ts";
import type { Markup } from "./element.ts";
import {
  barRoom,
  barShifts,
  drawSeries,
  drawSwatch,
  type PlacedSeries,
  seriesLooks,
  type SeriesLook,
} from "./marks.ts";
import { chartStyle } from "./theme.ts";

// Pixels. Text is not measured: no font is known here, so widths are estimated on the generous side.
const COLUMN = 6.8;
const TITLE_COLUMN = 9.6;
const LINE = 18;
const EDGE = 16;
const SWATCH = 28;
const HEIGHT = 420;

/**
 * A line chart as one self-contained SVG file: light or dark as the viewer prefers, no script, no external font or
 * link. Equal input gives equal bytes.
 * @throws KvDistillError `bad-argument` for points, domains or ticks that cannot be drawn.
 */
export function lineChart(chart: LineChart): string {
  checkChart(chart);
  const width = chart.width ?? 720;
  const looks = seriesLooks(chart.series);
  const legend = chart.series.length > 1 ? placeLegend(chart.series, looks, width) : { markup: "", rows: 0 };
  const heading = placeHeading(chart, width);
  const top = EDGE + LINE * (heading.rows + legend.rows) + 16;
  const under = EDGE + 2 * LINE + 4;
  // Many lines of heading and legend, as in a narrow chart, make it taller: the y axis stays as long as its title.
  const height = Math.max(HEIGHT, Math.ceil(top + columnsOf(axisTitle(chart.y)) * COLUMN + under));
  const bottom = height - under;

  const points = chart.series.flatMap((series) => series.points);
  const heights = points.flatMap((point) => [point.y, point.low ?? point.y, point.high ?? point.y]);
  const y = layAxis(chart.y, heights.filter(Number.isFinite), bottom, top);
  const left = EDGE + LINE + Math.max(...y.ticks.map((tick) => columnsOf(tick.text))) * COLUMN + 8;
  const right = width - EDGE - 12;
  const room = barRoom(chart.series);
  const x = layAxis(
    chart.x,
    points.map((point) => point.x),
    left + room,
    right - room,
  );
  const frame = { left, right, top, bottom };

  const drawn = [
    element("title", {}, escapeMarkup(chart.title)),
    element("style", {}, chartStyle()),
    element("rect", { class: "background", width, height, rx: 6 }),
    heading.markup,
    element("g", { transform: `translate(0,${EDGE + LINE * heading.rows + 6})` }, legend.markup),
    drawAxes(x, y, frame),
    // A nested viewport cuts off what lies outside a given domain, without an id that could clash in one page.
    element(
      "svg",
      { x: left - 5, y: top - 5, width: right - left + 10, height: bottom - top + 10, viewBox: viewBox(frame) },
      inOrder(chart.series, looks, barShifts(chart.series, x), room)
        .map((placed) => drawSeries(placed, x, y))
        .join(""),
    ),
  ];
  const root = { xmlns: "http://www.w3.org/2000/svg", class: "kvc", role: "img", "aria-label": chart.title };
  return `${element("svg", { ...root, width, height, viewBox: `0 0 ${width} ${height}` }, drawn.join("\n"))}\n`;
}

/** References lie below, what the chart is about on top. */
function inOrder(
  all: readonly ChartSeries[],
  looks: readonly SeriesLook[],
  shifts: readonly number[],
  room: number,
): PlacedSeries[] {
  const rank = ({ reference = false, strong = false }: ChartSeries): number => (reference ? 0 : strong ? 2 : 1);
  return all
    .flatMap((series, i): PlacedSeries[] => {
      const [look, shift] = [looks[i], shifts[i]];
      return look === undefined || shift === undefined
        ? []
        : [{ series, look, shift, reach: series.reference === true ? room : 0 }];
    })
    .sort((a, b) => rank(a.series) - rank(b.series));
}

interface Frame {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

function viewBox({ left, right, top, bottom }: Frame): string {
  return [left - 5, top - 5, right - left + 10, bottom - top + 10].map((value) => value.toFixed(2)).join(" ");
}

function drawAxes(x: AxisScale, y: AxisScale, { left, right, top, bottom }: Frame): Markup {
  const middle = (top + bottom) / 2;
  return [
    ...y.ticks.map((tick) =>
      element("path", { class: "grid", d: `M${left.toFixed(2)},${tick.at.toFixed(2)}H${right}` }),
    ),
    ...x.ticks.map((tick) => element("path", { class: "grid", d: `M${tick.at.toFixed(2)},${top}V${bottom}` })),
    element("path", { class: "axis", d: `M${left.toFixed(2)},${bottom}H${right}` }),
    ...y.ticks.map((tick) =>
      element("text", { class: "quiet", x: left - 8, y: tick.at + 4, "text-anchor": "end" }, escapeMarkup(tick.text)),
    ),
    ...roomyTicks(x, right + 12).map(({ at, text, anchor }) =>
      element("text", { class: "quiet", x: at, y: bottom + LINE, "text-anchor": anchor }, escapeMarkup(text)),
    ),
    element(
      "text",
      { x: (left + right) / 2, y: bottom + 2 * LINE + 2, "text-anchor": "middle" },
      escapeMarkup(x.title),
    ),
    element(
      "text",
      { transform: `translate(${EDGE + 10},${middle.toFixed(2)}) rotate(-90)`, "text-anchor": "middle" },
      escapeMarkup(y.title),
    ),
  ].join("");
}

/** Labels of the x axis, but those that would run into the one before; one that would stick out ends at the edge. */
function roomyTicks({ ticks }: AxisScale, edge: number): { at: number; text: string; anchor: "middle" | "end" }[] {
  let taken = -Infinity;
  return ticks
    .toSorted((a, b) => a.at - b.at)
    .flatMap(({ at, text }) => {
      const half = (columnsOf(text) * COLUMN) / 2;
      const [start, end] = at + half > edge ? [edge - 2 * half, edge] : [at - half, at + half];
      if (start < taken) return [];
      taken = end + 6;
      return [end === edge ? { at: edge, text, anchor: "end" as const } : { at, text, anchor: "middle" as const }];
    });
}

/** Title and subtitle, wrapped to the width. */
function placeHeading(chart: LineChart, width: number): { markup: Markup; rows: number } {
  const room = width - 2 * EDGE;
  const lines = [
    ...wrapText(chart.title, Math.floor(room / TITLE_COLUMN)).map((text) => ({ text, class: "title" })),
    ...(chart.subtitle === undefined ? [] : wrapText(chart.subtitle, Math.floor(room / COLUMN))).map((text) => ({
      text,
      class: "quiet",
    })),
  ];
  const drawn = lines.map((line, row) =>
    element("text", { class: line.class, x: EDGE, y: EDGE + 12 + row * LINE }, escapeMarkup(line.text)),
  );
  return { markup: drawn.join(""), rows: lines.length };
}

/** Names with their lines, in rows no wider than the chart. */
function placeLegend(
  series: readonly ChartSeries[],
  looks: readonly SeriesLook[],
  width: number,
): { markup: Markup; rows: number } {
  let x = EDGE;
  let row = 0;
  const items = series.map((one, index) => {
    const needed = SWATCH + columnsOf(one.name) * COLUMN + 14;
    if (x > EDGE && x + needed > width - EDGE) {
      x = EDGE;
      row++;
    }
    const at = row * LINE + 8;
    const look = looks[index];
    const swatch = look === undefined ? "" : drawSwatch(one, look, x, at);
    const item = swatch + element("text", { x: x + SWATCH, y: at + 4 }, escapeMarkup(one.name));
    x += needed;
    return item;
  });
  return { markup: items.join(""), rows: row + 1 };
}

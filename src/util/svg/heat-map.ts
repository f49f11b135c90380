import { columnsOf, wrapText } from "../text-width.ts";
import { KvDistillError } from "../errors.ts";
import { element, escapeMarkup } from "./element.ts";
import type { Markup } from "./element.ts";
import { chartStyle, HEAT_LEVELS } from "./theme.ts";

export interface HeatPanel {
  readonly name: string;
  /** One list a row, from the top, one value a column; null where nothing was measured. */
  readonly cells: readonly (readonly (number | null)[])[];
}

/** Maps over the same rows and columns, side by side. */
export interface HeatMap {
  readonly title: string;
  readonly subtitle?: string;
  readonly x: { readonly label: string; readonly values: readonly string[] };
  readonly y: { readonly label: string; readonly values: readonly string[] };
  readonly panels: readonly HeatPanel[];
  /** Values of the palest and the strongest colour; what lies outside is coloured as the nearer of them. */
  readonly range: readonly [number, number];
  /** How values are written in cells and beside the scale. */
  readonly format: (value: number) => string;
  /** Pixels; default 720. The height follows from the rows. */
  readonly width?: number;
}

// Pixels, text widths estimated on the generous side.
const COLUMN = 6.8;
const TITLE_COLUMN = 9.6;
const LINE = 18;
const EDGE = 16;
const CELL_HEIGHT = 26;
const MOST_CELL = 64;
const LEAST_CELL = 20;
const GAP = 18;

/**
 * Heat maps as one self-contained SVG file, light or dark as the viewer prefers. Every cell says its value, in itself where there is room,
 * and when pointed at.
 * @throws KvDistillError `bad-argument` for panels that do not fit the axes, or values that are not finite.
 */
export function heatMap(map: HeatMap): string {
  checkMap(map);
  const width = map.width ?? 720;
  const rowLabels = Math.max(...map.y.values.map(columnsOf)) * COLUMN + 8;
  const left = EDGE + LINE + rowLabels;
  const columns = map.x.values.length;
  const room = width - EDGE - left;
  const natural = Math.max(LEAST_CELL, ...map.x.values.map((value) => columnsOf(value) * COLUMN + 6));
  const across = Math.max(1, Math.min(map.panels.length, Math.floor((room + GAP) / (columns * natural + GAP))));
  const cell = Math.min(MOST_CELL, (room - (across - 1) * GAP) / (columns * across));
  const panelWidth = cell * columns;
  const rows = map.y.values.length;
  const panelHeight = LINE + rows * CELL_HEIGHT + LINE;

  const heading = [
    ...wrapText(map.title, Math.floor((width - 2 * EDGE) / TITLE_COLUMN)).map((text) => ({ text, class: "title" })),
    ...(map.subtitle === undefined ? [] : wrapText(map.subtitle, Math.floor((width - 2 * EDGE) / COLUMN))).map(
      (text) => ({ text, class: "quiet" }),
    ),
  ];
  const top = EDGE + heading.length * LINE + 8;
  const bands = Math.ceil(map.panels.length / across);
  const bottom = top + bands * (panelHeight + 12);
  const height = bottom + 2 * LINE + EDGE + 8;
  // A column's label stands only where it does not run into the one before it.
  const every = Math.ceil(natural / cell);

  const panels = map.panels.map((panel, i) => {
    const x = left + (i % across) * (panelWidth + GAP);
    const y = top + Math.floor(i / across) * (panelHeight + 12);
    return drawPanel(map, panel, { x, y, cell, every, rowLabels: i % across === 0 });
  });
  const text = (attributes: Record<string, string | number>, content: string): Markup =>
    element("text", attributes, escapeMarkup(content));
  const drawn = [
    element("title", {}, escapeMarkup(map.title)),
    element("style", {}, chartStyle()),
    element("rect", { class: "background", width, height, rx: 6 }),
    ...heading.map((line, row) => text({ class: line.class, x: EDGE, y: EDGE + 12 + row * LINE }, line.text)),
    ...panels,
    text({ x: (left + width - EDGE) / 2, y: bottom + 6, "text-anchor": "middle" }, map.x.label),
    text(
      {
        transform: `translate(${EDGE + 8},${((top + bottom) / 2).toFixed(2)}) rotate(-90)`,
        "text-anchor": "middle",
      },
      map.y.label,
    ),
    drawScale(map, left, bottom + LINE, Math.min(220, room)),
  ];
  const root = { xmlns: "http://www.w3.org/2000/svg", class: "kvc", role: "img", "aria-label": map.title };
  return `${element("svg", { ...root, width, height, viewBox: `0 0 ${width} ${height}` }, drawn.join("\n"))}\n`;
}

function checkMap({ title, x, y, panels, range }: HeatMap): void {
  const faults = panels.flatMap(({ name, cells }) => [
    ...(cells.length === y.values.length && cells.every((row) => row.length === x.values.length)
      ? []
      : [`panel "${name}": expected ${y.values.length} rows of ${x.values.length} cells`]),
    ...(cells.flat().every((value) => value === null || Number.isFinite(value))
      ? []
      : [`panel "${name}": a value is not finite`]),
  ]);
  if (panels.length === 0 || x.values.length === 0 || y.values.length === 0) faults.push("there is nothing to draw");
  if (!(range[0] < range[1])) faults.push("the range is empty");
  if (faults.length > 0) {
    throw new KvDistillError("bad-argument", "the heat map cannot be drawn", { where: title, faults });
  }
}

interface PanelPlace {
  readonly x: number;
  readonly y: number;
  readonly cell: number;
  /** Of how many columns one gets its label. */
  readonly every: number;
  readonly rowLabels: boolean;
}

function drawPanel(map: HeatMap, { name, cells }: HeatPanel, { x, y, cell, every, rowLabels }: PanelPlace): Markup {
  const top = y + LINE;
  const roomy = cell - 4;
  const drawn = cells.flatMap((row, r) =>
    row.map((value, c) => {
      const at = { x: x + c * cell, y: top + r * CELL_HEIGHT };
      const place = `${map.y.values[r] ?? ""}, ${map.x.values[c] ?? ""}`;
      const box = { x: at.x + 0.5, y: at.y + 0.5, width: cell - 1, height: CELL_HEIGHT - 1, rx: 2 };
      const said = value === null ? "not measured" : map.format(value);
      const title = element("title", {}, escapeMarkup(`${name}: ${place}: ${said}`));
      if (value === null) return element("rect", { class: "empty", ...box }, title);
      const level = levelOf(value, map.range);
      const fits = columnsOf(said) * COLUMN <= roomy;
      const middle = { x: at.x + cell / 2, y: at.y + CELL_HEIGHT / 2 + 4, "text-anchor": "middle" };
      const label = fits ? element("text", { class: `on${level}`, ...middle }, escapeMarkup(said)) : "";
      return element("g", {}, element("rect", { class: `heat${level}`, ...box }, title) + label);
    }),
  );
  const labels = [
    element("text", { class: "panel", x, y: y + 12 }, escapeMarkup(name)),
    ...map.x.values.flatMap((value, c) => {
      if (c % every !== 0) return [];
      const at = { x: x + (c + 0.5) * cell, y: top + cells.length * CELL_HEIGHT + 13 };
      return [element("text", { class: "quiet", ...at, "text-anchor": "middle" }, escapeMarkup(value))];
    }),
    ...(rowLabels ? map.y.values : []).map((value, r) =>
      element(
        "text",
        { class: "quiet", x: x - 6, y: top + (r + 0.5) * CELL_HEIGHT + 4, "text-anchor": "end" },
        escapeMarkup(value),
      ),
    ),
  ];
  return element("g", {}, [...drawn, ...labels].join(""));
}

function drawScale({ range, format }: HeatMap, x: number, y: number, width: number): Markup {
  const [low, high] = range.map(format);
  const start = x + columnsOf(low ?? "") * COLUMN + 6;
  const step = (width - columnsOf(`${low}${high}`) * COLUMN - 12) / HEAT_LEVELS;
  const steps = Array.from({ length: HEAT_LEVELS }, (_, level) =>
    element("rect", { class: `heat${level}`, x: start + level * step, y, width: step, height: 12 }),
  );
  const end = start + HEAT_LEVELS * step + 6;
  return [
    element("text", { class: "quiet", x, y: y + 10 }, escapeMarkup(low ?? "")),
    ...steps,
    element("text", { class: "quiet", x: end, y: y + 10 }, escapeMarkup(high ?? "")),
  ].join("");
}

function levelOf(value: number, [low, high]: readonly [number, number]): number {
  const share = (value - low) / (high - low);
  return Math.max(0, Math.min(HEAT_LEVELS - 1, Math.floor(share * HEAT_LEVELS)));
}

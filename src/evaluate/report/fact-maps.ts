import { formatCount, formatPercent } from "../../util/format.ts";
import { printable } from "../../util/printable.ts";
import { type HeatPanel, heatMap } from "../../util/svg/heat-map.ts";
import { METRICS, type MetricName } from "../metrics/names.ts";
import { hasBudget } from "../run/conditions.ts";
import type { ConditionResult, Summary } from "../run/summary.ts";
import type { Plot } from "./plot.ts";

/** The facts of a question that a map has an axis for: `length` across, the first of these that is there downwards. */
const LENGTH = "length";
const DOWN = ["depth", "task"] as const;
/** More panels do not go beside another plot. */
const FEW_PANELS = 6;

type Fact = string | number | boolean;
interface Cell {
  readonly facts: Readonly<Record<string, Fact>>;
  readonly n: number;
  readonly value: number;
}

/**
 * The headline as heat maps, for runs whose questions have a length: depth (or task) by length for each condition, and kept part by length
 * for each method. Cells are means over the questions that fall into them.
 */
export function factMaps({ metrics, results }: Summary, model: string): Plot[] {
  const [headline] = metrics;
  if (headline === undefined) return [];
  const lengths = valuesOf(results, LENGTH);
  if (lengths.length === 0) return [];
  const shared = {
    x: { label: "length of the context, tokens", values: lengths.map(factText) },
    range: [0, 100] as const,
    format: (value: number) => value.toFixed(0),
  };
  const subtitle = `${METRICS[headline]} in %, ${printable(model)}; mean of each cell's questions`;
  const maps: Plot[] = [];
  const down = DOWN.find((fact) => valuesOf(results, fact).length > 0);
  if (down !== undefined) {
    const rows = valuesOf(results, down);
    const panels = results.map((result): HeatPanel => ({
      name: label(result),
      cells: rows.map((row) => lengths.map((length) => meanOf(result, headline, { [down]: row, [LENGTH]: length }))),
    }));
    const title =
      down === "depth" ? "Needle in a haystack: depth by length" : `${METRICS[headline]}: ${down} by length`;
    const y = {
      label: down === "depth" ? "depth of the needle" : down,
      values: rows.map((row) => depthText(down, row)),
    };
    maps.push(
      plot(`${down}-length.svg`, title, panels.length, (width) =>
        heatMap({ ...shared, title, subtitle, y, panels, width }),
      ),
    );
  }
  const methods = [...new Set(results.filter(({ method }) => hasBudget(method)).map(({ method }) => method))];
  const keeps = [...new Set(results.filter(({ method }) => hasBudget(method)).map(({ keep }) => keep))].sort(
    (a, b) => b - a,
  );
  if (methods.length > 0) {
    const panels = methods.map((method): HeatPanel => ({
      name: printable(method),
      cells: keeps.map((keep) => {
        const own = results.find((result) => result.method === method && result.keep === keep);
        return lengths.map((length) => (own === undefined ? null : meanOf(own, headline, { [LENGTH]: length })));
      }),
    }));
    const title = "Kept part by length";
    const y = { label: "kept part", values: keeps.map((keep) => formatPercent(keep)) };
    maps.push(
      plot("keep-length.svg", title, panels.length, (width) =>
        heatMap({ ...shared, title, subtitle, y, panels, width }),
      ),
    );
  }
  return maps;
}

function plot(file: string, title: string, panels: number, draw: (width: number) => string): Plot {
  return { file, title, draw, broad: panels > FEW_PANELS };
}

function label({ method, keep }: ConditionResult): string {
  return printable(hasBudget(method) ? `${method} ${formatPercent(keep)}` : method);
}

/** Distinct values of a fact, numbers by size. */
function valuesOf(results: readonly ConditionResult[], name: string): Fact[] {
  const values = new Set(results.flatMap(({ breakdown = [] }) => breakdown.flatMap(({ facts }) => facts[name] ?? [])));
  return [...values].sort((a, b) => (typeof a === "number" && typeof b === "number" ? a - b : 0));
}

/** Mean over the cells that have the facts, every question alike; null where there are none. */
function meanOf(
  { breakdown = [] }: ConditionResult,
  metric: MetricName,
  wanted: Readonly<Record<string, Fact>>,
): number | null {
  const cells = breakdown.flatMap(({ facts, n, [metric]: value }): Cell[] =>
    value !== undefined && Object.entries(wanted).every(([name, fact]) => facts[name] === fact)
      ? [{ facts, n, value }]
      : [],
  );
  const questions = cells.reduce((sum, { n }) => sum + n, 0);
  return questions === 0 ? null : cells.reduce((sum, { n, value }) => sum + n * value, 0) / questions;
}

function factText(value: Fact): string {
  return typeof value === "number" ? formatCount(value) : printable(String(value));
}

function depthText(name: string, value: Fact): string {
  return name === "depth" && typeof value === "number" && value <= 1 ? formatPercent(value) : printable(String(value));
}

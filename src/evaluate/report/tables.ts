import { formatNumber, formatPercent } from "../../util/format.ts";
import type { Table } from "../../util/table.ts";
import type { Interval } from "../metrics/bootstrap.ts";
import { METRICS } from "../metrics/names.ts";
import { hasBudget } from "../run/conditions.ts";
import type { ConditionResult, Means, Summary } from "../run/summary.ts";

/** All conditions, one row each. */
export function resultsTable({ metrics, results }: Summary): Table {
  const [headline] = metrics;
  const ceiling = results.find(({ method }) => method === "full");
  const full = (headline === undefined ? undefined : ceiling?.[headline]) ?? 0;
  const columns: (readonly [string, (result: ConditionResult) => string])[] = [
    ["asked", ({ method, keep }) => (hasBudget(method) ? formatPercent(keep) : "–")],
    ["kept", ({ obtainedKeep }) => formatPercent(obtainedKeep)],
    ...metrics.flatMap((name, i): typeof columns => {
      if (i > 0) return [[`${METRICS[name]} %`, (result) => digits(result[name], 1)]];
      return [
        [`${METRICS[name]} %`, ({ intervals }) => around(intervals[name], 1)],
        ["of full", (result) => (full === 0 ? "–" : formatPercent((result[name] ?? 0) / full))],
      ];
    }),
    ["empty %", ({ emptyRate }) => digits(emptyRate, 1)],
    ["cut %", ({ cutRate }) => digits(cutRate, 1)],
    ["KL", ({ intervals }) => around(intervals.forwardKl, 3)],
    ["top-1 %", ({ top1Agreement }) => digits(top1Agreement, 1)],
    ["perplexity", ({ answerPerplexity }) => (answerPerplexity === null ? "–" : formatNumber(answerPerplexity))],
    ["n", ({ n }) => String(n)],
    ["failed", ({ failures }) => String(failures)],
    ["s/question", ({ secondsPerQuestion }) => formatNumber(secondsPerQuestion)],
  ];
  return {
    columns: [{ name: "method" }, ...columns.map(([name]) => ({ name, align: "right" as const }))],
    rows: results.map((result) => [markedName(result), ...columns.map(([, cell]) => cell(result))]),
  };
}

/** Results for each set of facts that questions have, one row each; undefined where they have none. */
export function breakdownTable({ metrics, results }: Summary): Table | undefined {
  const facts = results[0]?.breakdown?.[0]?.facts;
  if (facts === undefined) return undefined;
  const names = [...new Set(results[0]?.breakdown?.flatMap((cell) => Object.keys(cell.facts)))];
  const measures: (readonly [string, (means: Means) => string])[] = [
    ...metrics.map((name) => [`${METRICS[name]} %`, (means: Means) => digits(means[name], 1)] as const),
    ["KL", ({ forwardKl }) => digits(forwardKl, 3)],
    ["n", ({ n }) => String(n)],
  ];
  return {
    columns: [
      { name: "method" },
      ...names.map((name) => ({ name })),
      ...measures.map(([name]) => ({ name, align: "right" as const })),
    ],
    rows: results.flatMap((result) =>
      (result.breakdown ?? []).map((cell) => [
        conditionLabel(result),
        ...names.map((name) => String(cell.facts[name] ?? "–")),
        ...measures.map(([, of]) => of(cell)),
      ]),
    ),
  };
}

/** Paired differences of all conditions to their references; a star where the interval leaves 0 out. */
export function differencesTable({ metrics, results }: Summary): Table {
  const columns = [
    { name: "method" },
    { name: "less" },
    ...[...metrics.map((name) => `${METRICS[name]}, points`), "KL, nats"].map((name) => ({
      name,
      align: "right" as const,
    })),
  ];
  const rows = results.flatMap((result) =>
    result.differences.map((difference) => [
      conditionLabel(result),
      conditionLabel(difference.to),
      ...metrics.map((name) => starred(difference[name], 1)),
      starred(difference.forwardKl, 3),
    ]),
  );
  return { columns, rows };
}

function conditionLabel({ method, keep }: Pick<ConditionResult, "method" | "keep">): string {
  return hasBudget(method) ? `${method} ${formatPercent(keep)}` : method;
}

function markedName({ method, questionAware }: ConditionResult): string {
  return questionAware === true ? `${method} (sees the question)` : method;
}

/** What the intervals are. */
export function intervalNote({ bootstrap: { resamples, confidence, unit, units } }: Summary): string {
  const few = unit === "question" ? " (too few passages to draw passages: intervals are too narrow)" : "";
  return `Intervals: ${formatPercent(confidence)}, paired bootstrap, ${resamples} draws of ${units} ${unit}s${few}. * leaves 0 out.`;
}

function digits(value: number | null | undefined, places: number): string {
  return typeof value === "number" ? fixed(value, places) : "–";
}

export function around(interval: Interval | null | undefined, places: number): string {
  if (interval === null || interval === undefined) return "–";
  const { mean, low, high } = interval;
  return `${fixed(mean, places)} (${fixed(low, places)} – ${fixed(high, places)})`;
}

/** Zero has no sign, also where only the digits that are told are zero. */
function fixed(value: number, places: number): string {
  return value.toFixed(places).replace(/^-(?=[0.]*$)/, "");
}

export function starred(interval: Interval | null | undefined, places: number): string {
  if (interval === null || interval === undefined) return "–";
  const star = interval.low > 0 || interval.high < 0 ? " *" : "";
  return `${Number(interval.mean.toFixed(places)) > 0 ? "+" : ""}${around(interval, places)}${star}`;
}

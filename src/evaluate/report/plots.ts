import { formatBytes, formatCount, formatPercent } from "../../util/format.ts";
import { printable } from "../../util/printable.ts";
import type { ChartAxis, ChartPoint, ChartSeries } from "../../util/svg/chart.ts";
import { lineChart } from "../../util/svg/line-chart.ts";
import type { Interval } from "../metrics/bootstrap.ts";
import { METRICS } from "../metrics/names.ts";
import { conditionMeasured, conditionName, hasBudget } from "../run/conditions.ts";
import type { ConditionResult, Summary } from "../run/summary.ts";
import { factMaps } from "./fact-maps.ts";
import type { Plot } from "./plot.ts";

export interface PlotFacts {
  readonly model: string;
  /** Bytes of each condition's cache, mean over passages, by condition name; without it nothing is drawn against bytes. */
  readonly bytes?: ReadonlyMap<string, number>;
}

/** How wide a plot is that lies in a file of its own. */
export const PLOT_WIDTH = 760;

/**
 * All plots of a run: the headline and forward KL with their intervals, against the kept part and against bytes, and maps where questions
 * have a length. What cannot be drawn is left out.
 */
export function plotsOf(summary: Summary, { model, bytes }: PlotFacts): Plot[] {
  const { metrics, results, questions, bootstrap } = summary;
  const [headline] = metrics;
  const about = `${printable(model)}, ${formatCount(questions)} questions, ${formatPercent(bootstrap.confidence)} intervals by ${bootstrap.unit}`;
  const measures: Measure[] = [
    ...(headline === undefined
      ? []
      : [
          {
            file: METRICS[headline].replaceAll(" ", "-").toLowerCase(),
            title:
              headline === "goldInAnswer" ? "Answers that contain a gold answer" : `Answers by ${METRICS[headline]}`,
            y: { label: METRICS[headline], unit: "%" },
            pick: ({ intervals }: ConditionResult) => intervals[headline] ?? null,
          },
        ]),
    {
      file: "forward-kl",
      title: "Divergence from the full cache at the gold answers",
      y: { label: "KL(full ‖ compressed)", unit: "nats a token" },
      pick: ({ intervals }) => intervals.forwardKl,
    },
  ];
  return [
    ...measures.flatMap((measure) => againstKeep(results, measure, about)),
    ...measures.flatMap((measure) => (bytes === undefined ? [] : againstBytes(results, measure, about, bytes))),
    ...factMaps(summary, model),
  ];
}

interface Measure {
  readonly file: string;
  readonly title: string;
  readonly y: ChartAxis;
  readonly pick: (result: ConditionResult) => Interval | null;
}

/** One line a method; methods without a budget are levels over the whole width. */
function againstKeep(results: readonly ConditionResult[], { file, title, y, pick }: Measure, subtitle: string): Plot[] {
  const keeps = [...new Set(results.filter(({ method }) => hasBudget(method)).map(({ keep }) => keep))].sort(
    (a, b) => a - b,
  );
  const [least, most] = [keeps[0] ?? 1, keeps.at(-1) ?? 1];
  const domain = least < most ? ([least, most] as const) : ([least / 2, least * 2] as const);
  const series = seriesOf(results, pick, (result) => (hasBudget(result.method) ? [result.keep] : domain));
  if (series.length === 0) return [];
  const x: ChartAxis = {
    label: "kept part of the context",
    scale: "log",
    domain,
    ticks: keeps.length > 0 ? keeps : [...domain],
    format: (value) => formatPercent(value),
  };
  const draw = (width: number): string => lineChart({ title, subtitle, x, y: fromZero(y, series), series, width });
  return [{ file: `${file}.svg`, title, draw }];
}

/** One line a method, each condition where its cache's bytes are. */
function againstBytes(
  results: readonly ConditionResult[],
  { file, title, y, pick }: Measure,
  about: string,
  bytes: ReadonlyMap<string, number>,
): Plot[] {
  const own = (result: ConditionResult): number => bytes.get(nameOf(result)) ?? 0;
  const there = results.filter((result) => own(result) > 0);
  const sizes = there.map(own);
  const series = seriesOf(there, pick, (result) => [own(result)]);
  if (series.length === 0) return [];
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
  const x: ChartAxis = {
    label: "bytes of the cache, mean of the passages",
    scale: "log",
    domain: least < most ? [least, most] : [least / 2, least * 2],
    format: (value) =>
      formatBytes(value)
        .replace(/(\.\d*?)0+ /, "$1 ")
        .replace(". ", " "),
  };
  const subtitle = `${about}; keys and values in float32`;
  const draw = (width: number): string =>
    lineChart({ title: `${title}, by bytes`, subtitle, x, y: fromZero(y, series), series, width });
  return [{ file: `${file}-bytes.svg`, title: `${title}, by bytes`, draw }];
}

function nameOf(result: ConditionResult): string {
  return conditionName(conditionMeasured(result));
}

/** Shares and divergences both begin at 0: heights can be compared by eye. */
function fromZero(axis: ChartAxis, series: readonly ChartSeries[]): ChartAxis {
  const values = series.flatMap(({ points }) => points.flatMap(({ y, high = y }) => [y, high]));
  const most = Math.max(...values);
  return { ...axis, domain: [0, most > 0 ? most * 1.06 : 1] };
}

function seriesOf(
  results: readonly ConditionResult[],
  pick: (result: ConditionResult) => Interval | null,
  placesOf: (result: ConditionResult) => readonly number[],
): ChartSeries[] {
  return [...new Set(results.map(({ method }) => method))].flatMap((method): ChartSeries[] => {
    const points = results
      .filter((result) => result.method === method)
      .flatMap((result): ChartPoint[] => {
        const interval = pick(result);
        if (interval === null) return [];
        const { mean: y, low, high } = interval;
        return placesOf(result).map((x) => ({ x, y, low, high }));
      })
      .sort((a, b) => a.x - b.x);
    if (points.length === 0) return [];
    // A reference is a level with a band, or a point with a bar.
    const reference = !hasBudget(method);
    const intervals = reference && points.length > 1 ? "band" : "bars";
    return [{ name: printable(method), points, intervals, reference, strong: method === "kv-distill" }];
  });
}

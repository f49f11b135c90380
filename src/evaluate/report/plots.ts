import { formatPercent } from "../../util/format.ts";
import type { ChartPoint, ChartSeries } from "../../util/svg/chart.ts";
import { lineChart } from "../../util/svg/line-chart.ts";
import type { Interval } from "../metrics/bootstrap.ts";
import { METRICS } from "../metrics/names.ts";
import { hasBudget } from "../run/conditions.ts";
import type { ConditionResult, Summary } from "../run/summary.ts";

export interface Plot {
  readonly file: string;
  readonly svg: string;
}

/** The headline and forward KL against the kept part, with their intervals; what cannot be drawn is left out. */
export function plotsOf({ metrics, results, questions, bootstrap }: Summary, model: string): Plot[] {
  const keeps = [...new Set(results.filter(({ method }) => hasBudget(method)).map(({ keep }) => keep))].sort(
    (a, b) => a - b,
  );
  const [least, most] = [keeps[0] ?? 1, keeps.at(-1) ?? 1];
  const domain = least < most ? ([least, most] as const) : ([least / 2, Math.min(1, least * 2)] as const);
  const about = `${model}, ${questions} questions, ${formatPercent(bootstrap.confidence)} intervals by ${bootstrap.unit}`;
  const x = {
    label: "kept part of the context",
    scale: "log" as const,
    domain,
    ticks: keeps.length > 0 ? keeps : [...domain],
    format: (value: number) => formatPercent(value),
  };
  const draw = (
    file: string,
    title: string,
    y: { readonly label: string; readonly unit: string },
    pick: (result: ConditionResult) => Interval | null,
  ): Plot[] => {
    const series = seriesOf(results, domain, pick);
    return series.length === 0 ? [] : [{ file, svg: lineChart({ title, subtitle: about, x, y, series }) }];
  };
  return [
    ...metrics
      .slice(0, 1)
      .flatMap((name) =>
        draw(
          `${METRICS[name].replaceAll(" ", "-").toLowerCase()}.svg`,
          name === "goldInAnswer" ? "Answers that contain a gold answer" : `Answers by ${METRICS[name]}`,
          { label: METRICS[name], unit: "%" },
          ({ intervals }) => intervals[name] ?? null,
        ),
      ),
    ...draw(
      "forward-kl.svg",
      "Divergence from the full cache at the gold answers",
      { label: "KL(full ‖ compressed)", unit: "nats a token" },
      ({ intervals }) => intervals.forwardKl,
    ),
  ];
}

/** One line a method; methods without a budget are level lines over the whole width. */
function seriesOf(
  results: readonly ConditionResult[],
  domain: readonly [number, number],
  pick: (result: ConditionResult) => Interval | null,
): ChartSeries[] {
  return [...new Set(results.map(({ method }) => method))].flatMap((method) => {
    const own = results.filter((result) => result.method === method).sort((a, b) => a.keep - b.keep);
    const points = own.flatMap((result): ChartPoint[] => {
      const interval = pick(result);
      if (interval === null) return [];
      const { mean: y, low, high } = interval;
      return (hasBudget(result.method) ? [result.keep] : domain).map((x) => ({ x, y, low, high }));
    });
    return points.length === 0 ? [] : [{ name: method, points }];
  });
}

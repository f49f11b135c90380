import { formatPercent } from "../../util/format.ts";
import { printable } from "../../util/printable.ts";
import type { ChartPoint, ChartSeries } from "../../util/svg/chart.ts";
import { lineChart } from "../../util/svg/line-chart.ts";
import { METRICS } from "../metrics/names.ts";
import type { ComparedCondition, Comparison, PairedMeasure } from "./compare-runs.ts";
import { groupBy } from "./group-by.ts";
import type { Plot } from "./plot.ts";

/** Paired differences against the kept part, one line a method: the headline and forward KL. Methods without a budget stand in the table alone. */
export function comparisonPlots({ conditions, metrics, questions, bootstrap, task }: Comparison): Plot[] {
  const [headline] = metrics;
  const subtitle = `${printable(task)}, ${questions} questions, ${formatPercent(bootstrap.confidence)} paired intervals by ${bootstrap.unit}; above 0, B is higher`;
  const draw = (
    file: string,
    title: string,
    y: { readonly label: string; readonly unit: string },
    pick: (measures: ComparedCondition["measures"]) => PairedMeasure | null | undefined,
  ): Plot[] => {
    const series = seriesOf(conditions, pick);
    const keeps = [...new Set(series.flatMap(({ points }) => points.map(({ x }) => x)))].sort((a, b) => a - b);
    const [least, most] = [keeps[0], keeps.at(-1)];
    if (least === undefined || most === undefined) return [];
    const domain = least < most ? ([least, most] as const) : ([least / 2, least * 2] as const);
    const zero: ChartSeries = { name: "no difference", reference: true, points: domain.map((x) => ({ x, y: 0 })) };
    const x = {
      label: "kept part of the context",
      scale: "log" as const,
      domain,
      ticks: keeps,
      format: (value: number) => formatPercent(value),
    };
    return [{ file, title, draw: (width) => lineChart({ title, subtitle, x, y, series: [...series, zero], width }) }];
  };
  return [
    ...(headline === undefined
      ? []
      : draw(
          "compared.svg",
          `B less A: ${METRICS[headline]}`,
          { label: METRICS[headline], unit: "points" },
          (measures) => measures[headline],
        )),
    ...draw(
      "compared-kl.svg",
      "B less A: forward KL",
      { label: "KL", unit: "nats a token" },
      ({ forwardKl }) => forwardKl,
    ),
  ];
}

function seriesOf(
  conditions: readonly ComparedCondition[],
  pick: (measures: ComparedCondition["measures"]) => PairedMeasure | null | undefined,
): ChartSeries[] {
  const methods = groupBy(conditions, ({ condition }) => condition.method);
  return [...methods].flatMap(([name, own]) => {
    const points = own.flatMap(({ condition: { keep }, measures }): ChartPoint[] => {
      const difference = pick(measures)?.difference;
      return keep === undefined || difference === undefined
        ? []
        : [{ x: keep, y: difference.mean, low: difference.low, high: difference.high }];
    });
    points.sort((a, b) => a.x - b.x);
    return points.length === 0
      ? []
      : [{ name: printable(name), points, intervals: "bars" as const, strong: name === "kv-distill" }];
  });
}

import { formatNumber, formatPercent } from "../../util/format.ts";
import type { Table } from "../../util/table.ts";
import type { Interval } from "../metrics/bootstrap.ts";
import { hasBudget } from "../run/conditions.ts";
import type { ConditionResult, Summary } from "../run/summary.ts";

/** All conditions, one row each. */
export function resultsTable({ results }: Summary): Table {
  const full = results.find(({ method }) => method === "full")?.goldInAnswer ?? 0;
  const columns = [
    { name: "method" },
    ...[
      "asked",
      "kept",
      "gold in answer %",
      "of full",
      "EM %",
      "F1 %",
      "answer in gold %",
      "empty %",
      "cut %",
      "KL",
      "top-1 %",
      "perplexity",
      "n",
      "failed",
      "s/question",
    ].map((name) => ({ name, align: "right" as const })),
  ];
  const rows = results.map((result) => [
    result.method,
    hasBudget(result.method) ? formatPercent(result.keep) : "–",
    formatPercent(result.obtainedKeep),
    around(result.intervals.goldInAnswer, 1),
    full === 0 ? "–" : formatPercent(result.goldInAnswer / full),
    result.em.toFixed(1),
    around(result.intervals.f1, 1),
    result.answerInGold.toFixed(1),
    result.emptyRate.toFixed(1),
    result.cutRate.toFixed(1),
    result.intervals.forwardKl === null ? "–" : around(result.intervals.forwardKl, 3),
    result.top1Agreement === null ? "–" : result.top1Agreement.toFixed(1),
    result.answerPerplexity === null ? "–" : formatNumber(result.answerPerplexity),
    String(result.n),
    String(result.failures),
    formatNumber(result.secondsPerQuestion),
  ]);
  return { columns, rows };
}

/** Paired differences of all conditions to their references; a star where the interval leaves 0 out. */
export function differencesTable({ results }: Summary): Table {
  const columns = [
    { name: "method" },
    { name: "less" },
    ...["gold in answer, points", "F1, points", "KL, nats"].map((name) => ({ name, align: "right" as const })),
  ];
  const name = (one: Pick<ConditionResult, "method" | "keep">): string =>
    hasBudget(one.method) ? `${one.method} ${formatPercent(one.keep)}` : one.method;
  const rows = results.flatMap((result) =>
    result.differences.map(({ to, goldInAnswer, f1, forwardKl }) => [
      name(result),
      name(to),
      starred(goldInAnswer, 1),
      starred(f1, 1),
      forwardKl === null ? "–" : starred(forwardKl, 3),
    ]),
  );
  return { columns, rows };
}

/** What the intervals are. */
export function intervalNote({ bootstrap: { resamples, confidence, unit, units } }: Summary): string {
  const few = unit === "question" ? " (too few passages to draw passages: intervals are too narrow)" : "";
  return `Intervals: ${formatPercent(confidence)}, paired bootstrap, ${resamples} draws of ${units} ${unit}s${few}. * leaves 0 out.`;
}

function around({ mean, low, high }: Interval, digits: number): string {
  return `${mean.toFixed(digits)} (${low.toFixed(digits)} – ${high.toFixed(digits)})`;
}

function starred(interval: Interval, digits: number): string {
  const star = interval.low > 0 || interval.high < 0 ? " *" : "";
  return `${interval.mean > 0 ? "+" : ""}${around(interval, digits)}${star}`;
}

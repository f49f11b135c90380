import { formatBytes, formatDuration, formatNumber } from "../../util/format.ts";
import { printable } from "../../util/printable.ts";
import type { Table } from "../../util/table.ts";
import type { TimeRow, ProfileSummary } from "../profile/summary.ts";
import { type EntryResult, NOT_ASKED, type TrialResult } from "../run-trial.ts";
import type { Measure } from "../trial.ts";

/** One row for each side of each trial that was asked for. */
export function resultsTable(results: readonly TrialResult[]): Table {
  const right = (name: string) => ({ name, align: "right" as const });
  return {
    columns: [
      { name: "work" },
      { name: "side" },
      right("median"),
      right("quartiles"),
      right("time"),
      right("peak memory"),
      right("ours / it"),
      right("goal"),
      { name: "same result" },
    ],
    rows: results.flatMap(({ name, measure, entries }) =>
      entries
        .filter(({ failure }) => failure !== NOT_ASKED)
        .map((entry, i) => [i === 0 ? name : "", entry.name, ...figures(measure, entry)]),
    ),
  };
}

function figures(measure: Measure, entry: EntryResult): string[] {
  const { value, seconds, peakBytes, ratio, ratioSpread, goal, met, agreement, failure } = entry;
  if (failure !== null || value === null || seconds === null) {
    // The first line says what, the rest are details for the log.
    const [reason = ""] = (failure ?? "no figures").split("\n");
    return ["–", "", "", "", "–", goalText(measure, goal, null), printable(reason.slice(0, 120))];
  }
  const show = (x: number): string => (measure === "peak bytes" ? formatBytes(x) : formatNumber(x));
  return [
    measure === "peak bytes" ? show(value.median) : `${show(value.median)} ${measure}`,
    value.count === 1 ? "" : `${show(value.q1)} – ${show(value.q3)}`,
    formatDuration(seconds.median),
    peakBytes === null ? "" : formatBytes(peakBytes.median),
    ratio === null
      ? ""
      : `${formatNumber(ratio)}${ratioSpread === null || ratioSpread.count === 1 ? "" : ` (${formatNumber(ratioSpread.q1)} – ${formatNumber(ratioSpread.q3)})`}`,
    goalText(measure, goal, met),
    agreement === null ? "" : `${agreement.text}${agreement.expected && !agreement.same ? " (differs!)" : ""}`,
  ];
}

function goalText(measure: Measure, goal: number | null, met: boolean | null): string {
  if (goal === null) return "";
  return `${measure === "peak bytes" ? "≤" : "≥"} ${goal}${met === null ? "" : met ? " met" : " missed"}`;
}

/** Stages, classes of operators or operators. */
export function timesTable(name: string, rows: readonly TimeRow[], { peak }: ProfileSummary): Table {
  return {
    columns: [
      { name },
      ...["time", "share", "calls", "products, GFLOP/s", "of the peak"].map((own) => ({
        name: own,
        align: "right" as const,
      })),
    ],
    rows: rows.map(({ name: own, seconds, share, calls, productRate }) => [
      printable(own),
      formatDuration(seconds),
      `${(share * 100).toFixed(1)}%`,
      String(calls),
      productRate === null ? "" : formatNumber(productRate / 1e9),
      productRate === null ? "" : `${((productRate / peak) * 100).toFixed(0)}%`,
    ]),
  };
}

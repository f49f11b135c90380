import { formatPercent } from "../../util/format.ts";
import type { Table } from "../../util/table.ts";
import { METRICS } from "../metrics/names.ts";
import { conditionName } from "../run/conditions.ts";
import type { Comparison, PairedMeasure } from "./compare-runs.ts";
import { around, starred } from "./tables.ts";

/** Both runs condition by condition, measure by measure, with the paired difference. */
export function comparisonTable({ conditions, metrics }: Comparison): Table {
  const rows = conditions.flatMap(({ condition, measures, failures }) => {
    const row = (name: string, measure: PairedMeasure | null | undefined, digits: number): string[][] => {
      if (measure === null || measure === undefined) return [];
      const { a, b, difference, n } = measure;
      return [
        [conditionName(condition), name, around(a, digits), around(b, digits), starred(difference, digits), String(n)],
      ];
    };
    const failed =
      failures.a + failures.b === 0
        ? []
        : [[conditionName(condition), "failed", String(failures.a), String(failures.b), "", ""]];
    return [
      ...metrics.flatMap((name) => row(`${METRICS[name]} %`, measures[name], 1)),
      ...row("KL, nats", measures.forwardKl, 4),
      ...failed,
    ];
  });
  return {
    columns: [
      { name: "method" },
      { name: "measure" },
      ...["A", "B", "B less A", "n"].map((name) => ({ name, align: "right" as const })),
    ],
    rows,
  };
}

/** What is compared, and where the runs differ. */
export function comparedTable({ a, b, differs }: Comparison): Table {
  return {
    columns: [{ name: "run" }, { name: "A" }, { name: "B" }],
    rows: [
      ["folder", a.folder, b.folder],
      ["model", a.model, b.model],
      ["code", a.code, b.code],
      ["finished", a.finishedAt, b.finishedAt],
      ["questions", String(a.questions), String(b.questions)],
      ...differs.map((one) => [one.field, short(one.a), short(one.b)]),
    ],
  };
}

/** What was paired and what was not, as sentences. */
export function pairingNotes({ questions, unmatched, bootstrap, conditions }: Comparison): string[] {
  const { resamples, confidence, unit, units } = bootstrap;
  const only = (side: "a" | "b"): string[] => {
    const name = side.toUpperCase();
    const own = unmatched.conditions[side];
    const count = unmatched.questions[side];
    return [
      ...(count === 0 ? [] : [`Only in ${name}, left out: ${count} ${count === 1 ? "question" : "questions"}.`]),
      ...(own.length === 0 ? [] : [`Only in ${name}, left out: ${own.join(", ")}.`]),
    ];
  };
  const few = unit === "question" ? " (too few passages to draw passages: intervals are too narrow)" : "";
  return [
    `${questions} questions and ${conditions.length} conditions are in both.`,
    ...only("a"),
    ...only("b"),
    `Intervals: ${formatPercent(confidence)}, paired bootstrap, ${resamples} draws of ${units} ${unit}s${few}. * leaves 0 out.`,
  ];
}

/** Hashes are told apart by their beginnings. */
function short(value: string): string {
  return /^[0-9a-f]{64}$/.test(value) ? value.slice(0, 12) : value;
}

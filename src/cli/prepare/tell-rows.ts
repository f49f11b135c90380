import type { InputReport } from "../../data/prepare/prepared-rows.ts";
import { formatCount } from "../../util/format.ts";
import type { Logger } from "../../util/log.ts";
import { renderTable, type TableColumn } from "../../util/table.ts";
import type { Output } from "../context.ts";

/** Reasons with a column of their own; the others, which are about single rows, share one. */
const REASONS = { duplicate: "duplicate", contaminated: "in evaluation", "not-sampled": "not drawn" } as const;

/** A table of what became of each input's rows, on stdout, and what was left out by name, on stderr. */
export function tellRows(
  inputs: readonly InputReport[],
  { out, log }: { readonly out: Output; readonly log: Logger },
): void {
  for (const { input, report } of inputs) {
    for (const line of report.lines()) log.warn(`${input.path}: ${line}`);
  }
  const lines = inputs.map(({ input, read, kept, report }) => {
    const counts = report.counts();
    const named = Object.keys(REASONS).map((reason) => counts[reason] ?? 0);
    // Malformed and unused rows never became rows of the source; a damaged file is no row.
    const { "damaged-file": damaged = 0 } = counts;
    const others =
      Object.values(counts).reduce((sum, count) => sum + count, -damaged) - named.reduce((a, b) => a + b, 0);
    return { name: `${input.source.name}=${input.path}`, figures: [read + others, others, ...named, kept] };
  });
  const total = lines.reduce<number[]>((sums, { figures }) => figures.map((own, i) => own + (sums[i] ?? 0)), []);
  const all = lines.length > 1 ? [...lines, { name: "all", figures: total }] : lines;
  const names = ["rows", "unusable", ...Object.values(REASONS), "kept"];
  const columns: TableColumn[] = [{ name: "input" }, ...names.map((name) => ({ name, align: "right" as const }))];
  const table = { columns, rows: all.map(({ name, figures }) => [name, ...figures.map(formatCount)]) };
  out.line(renderTable(table, { colours: out.colours, ...(out.width === undefined ? {} : { width: out.width }) }));
}

/** The same for machines. */
export function rowsJson(inputs: readonly InputReport[]): object[] {
  return inputs.map(({ input, read, kept, report }) => ({
    reader: input.source.name,
    path: input.path,
    licence: input.source.licence,
    read,
    kept,
    leftOut: report.counts(),
  }));
}

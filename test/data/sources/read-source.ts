import { createDataReport } from "../../../src/data/data-report.ts";
import type { RowFault } from "../../../src/data/passage.ts";
import { sourceNamed } from "../../../src/data/sources/index.ts";
import type { SourceRow, UnusedRow } from "../../../src/data/sources/source.ts";

export interface ReadSource {
  readonly rows: readonly SourceRow[];
  readonly faults: readonly RowFault[];
  readonly unused: readonly UnusedRow[];
  readonly damaged: readonly RowFault[];
  readonly counts: Readonly<Record<string, number>>;
}

/** All that a source makes of a path, and what it told. */
export async function readSource(name: string, path: string): Promise<ReadSource> {
  const report = createDataReport();
  const rows: SourceRow[] = [];
  const faults: RowFault[] = [];
  const unused: UnusedRow[] = [];
  const damaged: RowFault[] = [];
  const notes = {
    onFault: (fault: RowFault) => {
      faults.push(fault);
      report.onFault(fault);
    },
    onUnused: (row: UnusedRow) => {
      unused.push(row);
      report.onUnused(row);
    },
    onDamaged: (fault: RowFault) => {
      damaged.push(fault);
      report.onDamaged(fault);
    },
  };
  for await (const row of sourceNamed(name).read(path, notes)) rows.push(row);
  return { rows, faults, unused, damaged, counts: report.counts() };
}

/** A row's parts that depend on the splitting rule. */
export const split = ({ context, question, answers }: SourceRow) => ({ context, question, answers });

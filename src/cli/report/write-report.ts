import { dirname, join } from "node:path";
import { PLOT_WIDTH } from "../../evaluate/report/plots.ts";
import type { StoredRun } from "../../evaluate/report/read-run.ts";
import { type QuestionRange, reportOf } from "../../evaluate/report/report-of.ts";
import { writeFileAtomic } from "../../util/atomic-file.ts";

/** What was written, by path. */
export interface WrittenReport {
  readonly page: string;
  readonly plots: readonly string[];
  readonly samples: { readonly shown: number; readonly of: number };
}

/**
 * Writes a run's page, and its plots beside it. Both hold text of documents: the page can be read by its owner alone.
 * @throws KvDistillError `bad-argument` when the run has no such questions; `bad-file`, `disk`
 */
export async function writeReport(run: StoredRun, page: string, wanted: QuestionRange): Promise<WrittenReport> {
  const report = await reportOf(run, wanted);
  const written: string[] = [];
  for (const { file, draw } of report.plots) {
    const path = join(dirname(page), file);
    await writeFileAtomic(path, Buffer.from(draw(PLOT_WIDTH)));
    written.push(path);
  }
  await writeFileAtomic(page, Buffer.from(report.page), { mode: 0o600 });
  return { page, plots: written, samples: report.samples };
}

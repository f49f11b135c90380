import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { PLOT_WIDTH } from "../../evaluate/report/plots.ts";
import type { StoredRun } from "../../evaluate/report/read-run.ts";
import { type QuestionRange, reportOf } from "../../evaluate/report/report-of.ts";
import { writeFileAtomic } from "../../util/atomic-file.ts";
import { diskError } from "../../util/disk-error.ts";

/** What was written, by path. */
export interface WrittenReport {
  readonly page: string;
  readonly plots: readonly string[];
  readonly samples: { readonly shown: number; readonly of: number };
}

/**
 * Writes a run's page, and its plots beside it.
 * @throws KvDistillError `bad-argument` when the run has no such questions; `bad-file`, `disk`
 */
export async function writeReport(run: StoredRun, page: string, wanted: QuestionRange): Promise<WrittenReport> {
  const report = await reportOf(run, wanted);
  await makeFolder(dirname(page));
  const written: string[] = [];
  for (const { file, draw } of report.plots) {
    const path = join(dirname(page), file);
    await writeFileAtomic(path, Buffer.from(draw(PLOT_WIDTH)));
    written.push(path);
  }
  await writePage(page, report.page);
  return { page, plots: written, samples: report.samples };
}

/**
 * Writes a page, into a folder that is made when there is none. It holds text of documents: its owner alone can read it.
 * @throws KvDistillError `disk`
 */
export async function writePage(path: string, page: string): Promise<void> {
  await makeFolder(dirname(path));
  await writeFileAtomic(path, Buffer.from(page), { mode: 0o600 });
}

async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch((error: unknown) => {
    throw diskError(error, path, "cannot make the folder");
  });
}

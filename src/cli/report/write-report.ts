import { dirname, join } from "node:path";
import { runPage } from "../../evaluate/report/page/run-page.ts";
import { readKept } from "../../evaluate/report/read-kept.ts";
import type { StoredRun } from "../../evaluate/report/read-run.ts";
import { PLOT_WIDTH, plotsOf } from "../../evaluate/report/plots.ts";
import { writeFileAtomic } from "../../util/atomic-file.ts";
import { KvDistillError } from "../../util/errors.ts";
import type { SampleRange } from "../values/sample-range.ts";

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
export async function writeReport(run: StoredRun, page: string, wanted: SampleRange): Promise<WrittenReport> {
  const total = run.result.questions;
  if (wanted.start >= total) {
    throw new KvDistillError("bad-argument", "the run has fewer questions", {
      where: "--samples",
      expected: `questions from 1 to ${total}`,
      got: `${wanted.start + 1}-${wanted.end}`,
    });
  }
  const samples = { start: wanted.start, end: Math.min(wanted.end, total) };
  const passages = new Set(
    run.rows.filter(({ sample }) => sample >= samples.start && sample < samples.end).map(({ passage }) => passage),
  );
  const kept =
    run.keptPath === undefined ? { bytes: new Map(), passages: new Map() } : await readKept(run.keptPath, passages);
  const plots = plotsOf(run.result, {
    model: run.result.model,
    ...(kept.bytes.size === 0 ? {} : { bytes: kept.bytes }),
  });
  const written: string[] = [];
  for (const { file, draw } of plots) {
    const path = join(dirname(page), file);
    await writeFileAtomic(path, Buffer.from(draw(PLOT_WIDTH)));
    written.push(path);
  }
  await writeFileAtomic(page, Buffer.from(runPage({ run, plots, kept, samples })), { mode: 0o600 });
  return { page, plots: written, samples: { shown: samples.end - samples.start, of: total } };
}

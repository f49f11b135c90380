import { KvDistillError } from "../../util/errors.ts";
import { runPage } from "./page/run-page.ts";
import type { Plot } from "./plot.ts";
import { plotsOf } from "./plots.ts";
import { readKept } from "./read-kept.ts";
import type { StoredRun } from "./read-run.ts";

/** Questions of a run by their places: `start` included, `end` not. */
export interface QuestionRange {
  readonly start: number;
  readonly end: number;
}

/** Questions of a page unless others are asked for. */
export const SHOWN_QUESTIONS: QuestionRange = { start: 0, end: 40 };

export interface Report {
  readonly page: string;
  readonly plots: readonly Plot[];
  readonly samples: { readonly shown: number; readonly of: number };
}

/**
 * A run's page, and its plots. Both hold text of documents.
 * @throws KvDistillError `bad-argument` when the run has no such questions; `bad-file`, `disk`
 */
export async function reportOf(run: StoredRun, wanted: QuestionRange): Promise<Report> {
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
  return {
    page: runPage({ run, plots, kept, samples }),
    plots,
    samples: { shown: samples.end - samples.start, of: total },
  };
}

import { join } from "node:path";
import { compareRuns } from "../../evaluate/report/compare-runs.ts";
import { comparedTable, comparisonTable, pairingNotes } from "../../evaluate/report/compare-tables.ts";
import { comparisonPage } from "../../evaluate/report/page/comparison-page.ts";
import { readRun } from "../../evaluate/report/read-run.ts";
import { SHOWN_QUESTIONS } from "../../evaluate/report/report-of.ts";
import { intervalNote, resultsTable } from "../../evaluate/report/tables.ts";
import { printable } from "../../util/printable.ts";
import { renderTable } from "../../util/table.ts";
import type { CommandContext } from "../context.ts";
import { defineCommand } from "../define-command.ts";
import { writePage, writeReport } from "../report/write-report.ts";
import { jsonOption } from "../shared-options.ts";
import { flag, option, optionOr, restArguments, text } from "../spec.ts";
import { type SampleRange, sampleRange } from "../values/sample-range.ts";

const PAGE = "report.html";

export const report = defineCommand({
  name: "report",
  summary: "a page about an evaluation, or two evaluations side by side",
  description:
    "Writes one self-contained page about a run of eval --out: tables, plots, failures, settings, and questions with their answers and the " +
    "kept tokens marked in the text; the plots lie beside it as SVG files. With --compare, two runs that asked the same are paired question by question, B less A.",
  arguments: { runs: restArguments("run", "folder of a run; two with --compare") },
  options: {
    out: option("--out <file>", `the page (default: ${PAGE} in the run's folder; with --compare none)`, text),
    samples: optionOr(
      "--samples <n>",
      "questions in the page: the first n, or those from a to b as a-b",
      sampleRange,
      SHOWN_QUESTIONS,
      "40",
    ),
    compare: flag("--compare", "compare two runs"),
    json: jsonOption,
  },
  examples: [
    ["report run/eval", "writes run/eval/report.html and plots"],
    ["report run/eval --out page.html --samples 41-80", "other questions, elsewhere"],
    ["report --compare run/eval-before run/eval-after --out compared.html", "what changed, with paired intervals"],
  ],
  check: ({ options: { compare }, arguments: { runs } }) =>
    compare
      ? runs.length === 2
        ? []
        : [`--compare takes two runs, got ${runs.length}`]
      : runs.length === 1
        ? []
        : [`one run, or two with --compare; got ${runs.length}`],
  run: async ({ options, arguments: { runs } }, context) => {
    const [first = "", second = ""] = runs;
    if (options.compare) await compare(first, second, options, context);
    else await reportOn(first, options, context);
  },
});

interface ReportOptions {
  readonly out: string | undefined;
  readonly samples: SampleRange;
  readonly json: boolean;
}

async function reportOn(folder: string, { out, samples, json }: ReportOptions, context: CommandContext): Promise<void> {
  const run = await readRun(folder);
  for (const line of run.missing) context.log.warn(line);
  const written = await writeReport(run, out ?? join(folder, PAGE), samples);
  const { shown, of } = written.samples;
  if (shown < of) context.log.info(`${shown} of ${of} questions are in the page; --samples shows others`);
  context.log.info(`wrote ${written.page} and ${written.plots.length} plots beside it`);
  if (json) {
    context.out.json({ ...written, missing: run.missing });
    return;
  }
  context.out.line(renderTable(resultsTable(run.result), styleOf(context)));
  context.out.line(intervalNote(run.result));
}

async function compare(
  first: string,
  second: string,
  { out, json }: ReportOptions,
  context: CommandContext,
): Promise<void> {
  const comparison = compareRuns(await readRun(first), await readRun(second));
  if (out !== undefined) {
    await writePage(out, comparisonPage(comparison));
    context.log.info(`wrote ${out}`);
  }
  if (json) {
    context.out.json(comparison);
    return;
  }
  const style = styleOf(context);
  context.out.line(renderTable(comparedTable(comparison), style));
  context.out.line(renderTable(comparisonTable(comparison), style));
  for (const line of pairingNotes(comparison)) context.out.line(printable(line));
}

function styleOf({ out: { width, colours } }: CommandContext): Parameters<typeof renderTable>[1] {
  return { ...(width === undefined ? {} : { width }), colours };
}

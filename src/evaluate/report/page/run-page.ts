import { formatBytes, formatCount, formatDuration } from "../../../util/format.ts";
import { htmlDocument, htmlText } from "../../../util/html/document.ts";
import { htmlTable } from "../../../util/html/table.ts";
import type { Markup } from "../../../util/svg/element.ts";
import type { Table } from "../../../util/table.ts";
import { conditionMeasured, conditionName } from "../../run/conditions.ts";
import type { Plot } from "../plot.ts";
import type { KeptTokensOfRun } from "../read-kept.ts";
import type { StoredRun } from "../read-run.ts";
import { plainSetting, settingsOf } from "../settings.ts";
import { breakdownTable, differencesTable, intervalNote, resultsTable } from "../tables.ts";
import { samplesSection, type ShownSamples } from "./samples.ts";
import { SAMPLES_SCRIPT } from "./script.ts";
import { REPORT_STYLE } from "./style.ts";

/** Failures and breakdown rows in a page; more are counted, and stand in result.json. */
const MOST_FAILURES = 200;
const MOST_BREAKDOWN = 400;
const [BROAD, WIDE, NARROW] = [1180, 600, 358];

export interface RunPage {
  readonly run: StoredRun;
  readonly plots: readonly Plot[];
  readonly kept: KeptTokensOfRun;
  readonly samples: ShownSamples;
}

/** A run as one self-contained page. All text of the run is escaped, whatever it holds. */
export function runPage({ run, plots, kept, samples }: RunPage): string {
  const { result } = run;
  const title = `${result.identity.task}: ${result.model}`;
  const sections = [
    `<h2 id="results">Results</h2>\n${htmlTable("Results", withBytes(resultsTable(result), run, kept))}\n<p class="quiet">${htmlText(intervalNote(result))}</p>`,
    plotsSection(plots),
    differencesSection(run),
    breakdownSection(run),
    failuresSection(run),
    samplesSection(run, samples, kept.passages),
    settingsSection(run),
  ].filter((section) => section !== "");
  return htmlDocument({
    title: `Evaluation of ${title}`,
    style: REPORT_STYLE,
    script: SAMPLES_SCRIPT,
    body: [heading(run, title), navigation(sections), ...sections].join("\n"),
  });
}

function heading({ result, missing }: StoredRun, title: string): Markup {
  const { questions, passages, finishedAt, code, seconds } = result;
  const commit =
    code.commit === null ? "" : `, commit ${code.commit.slice(0, 12)}${code.modified ? " with changes" : ""}`;
  const facts = [
    `${counted(questions, "question")} about ${counted(passages, "passage")}`,
    `finished ${finishedAt}`,
    `kv-distill ${code.version}${commit}`,
    `${formatDuration(seconds.rows)} of compressing and reading`,
  ];
  return `<h1>${htmlText(title)}</h1>
<p class="quiet">${htmlText(facts.join(" · "))}</p>
${missing.map((line) => `<p class="note">${htmlText(line)}.</p>`).join("\n")}`;
}

/** A link to every section that there is, by its heading. */
function navigation(sections: readonly Markup[]): Markup {
  const headings = sections.flatMap((section) => [...section.matchAll(/<h2 id="(\w+)">([^<]+)<\/h2>/g)]);
  const links = headings.map(([, id = "", title = ""]) => `<a href="#${id}">${title}</a>`);
  return `<nav aria-label="Sections">${links.join("")}</nav>`;
}

/** The table of results with the bytes of each condition's cache after what was kept. */
function withBytes({ columns, rows }: Table, { result }: StoredRun, { bytes }: KeptTokensOfRun): Table {
  if (bytes.size === 0) return { columns, rows };
  const after = columns.findIndex(({ name }) => name === "kept") + 1;
  const cells = result.results.map((one) => {
    const own = bytes.get(conditionName(conditionMeasured(one)));
    return own === undefined ? "–" : formatBytes(own);
  });
  return {
    columns: columns.toSpliced(after, 0, { name: "bytes", align: "right" }),
    rows: rows.map((row, i) => row.toSpliced(after, 0, cells[i] ?? "–")),
  };
}

/** Without columns that say nothing: runs of earlier versions lack some intervals. */
function withoutEmpty({ columns, rows }: Table): Table {
  const says = columns.map((_, i) => rows.some((row) => row[i] !== "–"));
  return { columns: columns.filter((_, i) => says[i]), rows: rows.map((row) => row.filter((_, i) => says[i])) };
}

/** Each plot twice: text in a plot keeps its size, and narrow pages get narrow plots. */
export function plotsSection(plots: readonly Plot[]): Markup {
  const figures = plots.map(({ draw, broad = false }) => {
    const wide = `<div class="wide">${draw(broad ? BROAD : WIDE)}</div>`;
    return `<figure${broad ? ' class="broad"' : ""}>${wide}<div class="narrow">${draw(NARROW)}</div></figure>`;
  });
  return figures.length === 0 ? "" : `<h2 id="plots">Plots</h2>\n<div class="plots">\n${figures.join("\n")}\n</div>`;
}

function differencesSection({ result }: StoredRun): Markup {
  const table = withoutEmpty(differencesTable(result));
  if (table.rows.length === 0) return "";
  return `<h2 id="differences">Paired differences</h2>
<p>Question by question, each method less the one beside it. A star: the interval leaves 0 out.</p>
${htmlTable("Paired differences", table)}`;
}

function breakdownSection({ result }: StoredRun): Markup {
  const table = breakdownTable(result);
  if (table === undefined) return "";
  const left = table.rows.length - MOST_BREAKDOWN;
  const note = left > 0 ? `<p class="quiet">${formatCount(left)} more rows are in result.json.</p>` : "";
  const shown = htmlTable("Parts of the task", { ...table, rows: table.rows.slice(0, MOST_BREAKDOWN) });
  return `<h2 id="parts">Parts of the task</h2>\n<details><summary>${formatCount(table.rows.length)} rows</summary>${shown}${note}</details>`;
}

function failuresSection({ result: { failures } }: StoredRun): Markup {
  if (failures.length === 0) return `<h2 id="failures">Failures</h2>\n<p>No question failed.</p>`;
  const rows = failures
    .slice(0, MOST_FAILURES)
    .map(({ id, method, keep, failure }) => [
      conditionName({ method, keep: keep ?? undefined }),
      id,
      failure.code,
      failure.message,
    ]);
  const left = failures.length - rows.length;
  return `<h2 id="failures">Failures</h2>
<p>Failed answers, which count as wrong: ${formatCount(failures.length)}.</p>
${htmlTable("Failures", { columns: ["method", "question", "code", "message"].map((name) => ({ name })), rows })}
${left > 0 ? `<p class="quiet">${formatCount(left)} more are in result.json.</p>` : ""}`;
}

function settingsSection(run: StoredRun): Markup {
  const { result } = run;
  const { code, machine, data, bootstrap } = result;
  const facts: (readonly [string, string])[] = [
    ["command", result.command ?? "not recorded"],
    ["kv-distill", `${code.version}${code.modified ? ", with changes to the commit" : ""}`],
    ["commit", code.commit ?? "not run from a checkout"],
    ...Object.entries(machine).map(machineFact),
    ["data", `${data.path}${data.malformedRows === 0 ? "" : `, ${data.malformedRows} malformed rows left out`}`],
    ["folder", run.folder],
    ["identity hash", result.identityHash],
    ...Object.entries(settingsOf(run)).map(([name, value]) => [name, plainSetting(value)] as const),
    ["intervals", `${bootstrap.resamples} draws of ${bootstrap.units} ${bootstrap.unit}s, seed ${bootstrap.seed}`],
    ["seconds of the process", formatDuration(result.seconds.process)],
  ];
  const rows = facts.map(([name, value]) => `<dt>${htmlText(name)}</dt><dd>${htmlText(value)}</dd>`);
  return `<h2 id="settings">Settings</h2>\n<dl>${rows.join("\n")}</dl>`;
}

function machineFact([name, value]: readonly [string, string | number]): readonly [string, string] {
  return name === "memoryBytes" ? ["memory", formatBytes(Number(value))] : [name, String(value)];
}

function counted(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}

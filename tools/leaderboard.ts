/**
 * Writes docs/leaderboard.md and its plots from finished evaluations (`kv-distill eval … --out RUN`), a section for each, by the run's name; those of
 * other runs stay as they are:
 *   node --import tsx tools/leaderboard.ts RUN [RUN …]
 */
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { METRICS, type MetricName } from "../src/evaluate/metrics/names.ts";
import { readRun, type StoredRun } from "../src/evaluate/report/read-run.ts";
import { hasBudget } from "../src/evaluate/run/conditions.ts";
import type { ConditionResult, Difference } from "../src/evaluate/run/summary.ts";

const OUT = "docs/leaderboard.md";
const PLOTS = "docs/leaderboard";
const OURS = "kv-distill";

const percent = (keep: number): string => `${Number((100 * keep).toPrecision(3))} %`;

function cell(result: ConditionResult | undefined, name: MetricName | "forwardKl"): string {
  const interval = result?.intervals[name];
  if (interval === undefined || interval === null) return "–";
  const digits = name === "forwardKl" ? 3 : 1;
  return `${interval.mean.toFixed(digits)} (${interval.low.toFixed(digits)}–${interval.high.toFixed(digits)})`;
}

type Cell = (result: ConditionResult | undefined) => string;

const intervalOf =
  (name: MetricName | "forwardKl"): Cell =>
  (result) =>
    cell(result, name);

/** A figure that has no interval. */
const figure =
  (pick: (result: ConditionResult) => number | null, digits: number): Cell =>
  (result) =>
    (result && pick(result))?.toFixed(digits) ?? "–";

/** Methods down, budgets across; full cache and floor have no budget. */
function table(results: readonly ConditionResult[], told: Cell): string[] {
  const budgeted = results.filter(({ method }) => hasBudget(method));
  const keeps = [...new Set(budgeted.map(({ keep }) => keep))];
  const methods = [...new Set(budgeted.map(({ method }) => method))];
  const row = (label: string, cells: readonly string[]): string => `| ${[label, ...cells].join(" | ")} |`;
  const ends = ["full", "none"].flatMap((method) => {
    const own = results.find((result) => result.method === method);
    return own === undefined ? [] : [row(method, [told(own), ...keeps.slice(1).map(() => "")])];
  });
  return [
    row(
      "method",
      keeps.map((keep) => `${percent(keep)} kept`),
    ),
    row(
      "---",
      keeps.map(() => "---"),
    ),
    ...methods.map((method) =>
      row(
        method,
        keeps.map((keep) => told(budgeted.find((own) => own.method === method && own.keep === keep))),
      ),
    ),
    ...ends,
  ];
}

/** Rivals less ours at the same budget: where an interval leaves zero out to their favour, and where it holds it. */
function lostTo(
  results: readonly ConditionResult[],
  name: MetricName | "forwardKl",
): { lost: string[]; even: string[] } {
  const [lost, even]: [string[], string[]] = [[], []];
  const better = name === "forwardKl" ? -1 : 1;
  for (const { method, keep, differences } of results) {
    if (!hasBudget(method) || method === OURS) continue;
    const difference = differences.find(({ to }: Difference) => to.method === OURS && to.keep === keep)?.[name];
    if (difference === undefined || difference === null) continue;
    const [low, high] = better > 0 ? [difference.low, difference.high] : [-difference.high, -difference.low];
    if (low > 0) lost.push(`${method} at ${percent(keep)}`);
    else if (high >= 0) even.push(`${method} at ${percent(keep)}`);
  }
  return { lost, even };
}

/** Rivals less ours at the same budget, paired over passages. */
function differenceTable(results: readonly ConditionResult[], name: MetricName | "forwardKl"): string[] {
  const rivals = results.filter(({ method }) => hasBudget(method) && method !== OURS);
  const keeps = [...new Set(rivals.map(({ keep }) => keep))];
  const digits = name === "forwardKl" ? 3 : 1;
  const signed = (value: number): string => `${value > 0 ? "+" : ""}${value.toFixed(digits)}`;
  const cellOf = (method: string, keep: number): string => {
    const own = rivals.find((result) => result.method === method && result.keep === keep);
    const found = own?.differences.find(({ to }: Difference) => to.method === OURS && to.keep === keep)?.[name];
    return found ? `${signed(found.mean)} (${signed(found.low)} to ${signed(found.high)})` : "–";
  };
  const row = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [
    row([`less ${OURS}`, ...keeps.map((keep) => `${percent(keep)} kept`)]),
    row(["---", ...keeps.map(() => "---")]),
    ...[...new Set(rivals.map(({ method }) => method))].map((method) =>
      row([method, ...keeps.map((keep) => cellOf(method, keep))]),
    ),
  ];
}

function verdict(results: readonly ConditionResult[], name: MetricName | "forwardKl", label: string): string {
  const { lost, even } = lostTo(results, name);
  const list = (names: readonly string[]): string => (names.length === 0 ? "none" : names.join(", "));
  return `By ${label} ${OURS} loses to: ${list(lost)}. No difference beyond chance: ${list(even)}. It is ahead of all others.`;
}

/** What there is beside the measures. */
const FIGURES: readonly (readonly [string, Cell])[] = [
  ["same likeliest token as the full cache, % of gold tokens", figure(({ top1Agreement }) => top1Agreement, 1)],
  ["perplexity of the gold answers", figure(({ answerPerplexity }) => answerPerplexity, 2)],
  ["empty answers, %", figure(({ emptyRate }) => emptyRate, 1)],
  ["kept rows, % of the tokens", figure(({ obtainedKeep }) => 100 * obtainedKeep, 1)],
];

async function section({ folder, result }: StoredRun): Promise<string[]> {
  const {
    identity,
    command,
    code,
    machine,
    questions,
    passages,
    bootstrap,
    metrics,
    results,
    failures,
    model,
    reused,
  } = result;
  const [headline = "goldInAnswer"] = metrics;
  const name = basename(folder);
  const measures: (MetricName | "forwardKl")[] = [...metrics, "forwardKl"];
  const label = (measure: MetricName | "forwardKl"): string =>
    measure === "forwardKl" ? "KL to the full cache, nats a token" : `${METRICS[measure]}, %`;
  for (const plot of [`${METRICS[headline].replaceAll(" ", "-").toLowerCase()}.svg`, "forward-kl.svg"]) {
    await copyFile(join(folder, plot), join(PLOTS, `${name}-${plot}`));
  }
  const hours = `${(result.seconds.rows / 3600).toFixed(1)} hours`;
  const finished = `finished ${result.finishedAt.slice(0, 10)}`;
  // Who measured is who wrote the rows, not who added them up.
  const own = results.reduce((sum, { n }) => sum + n, 0) - (reused ?? []).reduce((sum, { rows }) => sum + rows, 0);
  const sources = [...(reused ?? []), ...(own > 0 ? [{ rows: own, code }] : [])].map(
    ({ rows, code }) => `${rows.toLocaleString("en")} rows by commit ${code?.commit ?? "unknown"}`,
  );
  const measured =
    reused === undefined
      ? `commit ${code.commit ?? "unknown"}, ${String(machine.cpu ?? "")}, ${String(machine.threads)} threads, ${finished}, ${hours}`
      : `${sources.join(", ")} (on which machines: [their notes](leaderboard/runs/README.md)), ${finished}, ${hours} of measuring`;
  return [
    `## ${name}: ${identity.task}, ${questions.toLocaleString("en")} questions about ${passages.toLocaleString("en")} texts`,
    "",
    `Model ${model}, kv-distill ${code.version}, ${measured}, ${failures.length} failures. ` +
      `Brackets: ${(100 * bootstrap.confidence).toFixed(0)} % intervals over ${bootstrap.unit}s.`,
    "",
    "```",
    (command ?? "").replaceAll(/(?<=^|\s)\/\S+\/(?=[^/\s]+(\s|$))/g, ""),
    "```",
    "",
    ...measures.flatMap((measure) => [`**${label(measure)}**`, "", ...table(results, intervalOf(measure)), ""]),
    ...FIGURES.flatMap(([what, told]) => [`**${what}**`, "", ...table(results, told), ""]),
    ...(results.some(({ method }) => method === OURS)
      ? [
          verdict(results, headline, METRICS[headline].toLowerCase()),
          verdict(results, "forwardKl", "KL"),
          "",
          ...([headline, "forwardKl"] as const).flatMap((measure) => [
            `**${label(measure)}: differences, paired over ${bootstrap.unit}s**`,
            "",
            ...differenceTable(results, measure),
            "",
          ]),
        ]
      : []),
    `![${METRICS[headline]} against the kept part](leaderboard/${name}-${METRICS[headline].replaceAll(" ", "-").toLowerCase()}.svg)`,
    `![KL against the kept part](leaderboard/${name}-forward-kl.svg)`,
    "",
  ];
}

const folders = process.argv.slice(2);
if (folders.length === 0) throw new Error("name folders of finished evaluations");
await mkdir(PLOTS, { recursive: true });
const HEAD = [
  "# Leaderboard",
  "",
  "Written by `tools/leaderboard.ts` from whole runs. `kv-distill report RUN` shows every question of one.",
];
const nameOf = (text: string): string => /^## ([^:]*):/.exec(text)?.[1] ?? "";
const [, ...there] = (await readFile(OUT, "utf8")).split(/^(?=## )/m);
const sections = new Map(there.map((text) => [nameOf(text), text.trimEnd()]));
for (const folder of folders) {
  const text = (await section(await readRun(folder))).join("\n").trimEnd();
  sections.set(nameOf(text), text);
}
await writeFile(OUT, `${[HEAD.join("\n"), ...sections.values()].join("\n\n")}\n`);

import { formatBytes, formatCount, formatNumber, formatPercent } from "../../../util/format.ts";
import { htmlText } from "../../../util/html/document.ts";
import { markedText, markSamples } from "../../../util/html/marked-text.ts";
import type { Markup } from "../../../util/svg/element.ts";
import { METRICS } from "../../metrics/names.ts";
import { type Condition, conditionMeasured, conditionName } from "../../run/conditions.ts";
import { conditionOf, type SampleRow } from "../../run/sample-row.ts";
import { groupBy } from "../group-by.ts";
import type { Kept, KeptPassage } from "../read-kept.ts";
import type { StoredRun } from "../read-run.ts";

/** Which questions are shown, by their place in the run from 0; `end` is not shown. */
export interface ShownSamples {
  readonly start: number;
  readonly end: number;
}

/** Characters of marked texts in one page; further texts are named, not shown. */
export const MOST_MARKED = 6_000_000;

/** The questions that are shown, passage by passage, with all answers and with what was kept of each passage. */
export function samplesSection(
  run: StoredRun,
  { start, end }: ShownSamples,
  passages: ReadonlyMap<number, KeptPassage>,
): Markup {
  const conditions = conditionsInOrder(run);
  const main = mainOf(run);
  const bySample = new Map<number, SampleRow[]>();
  for (const row of run.rows) {
    if (row.sample < start || row.sample >= end) continue;
    bySample.set(row.sample, [...(bySample.get(row.sample) ?? []), row]);
  }
  const view = new SamplesView(run, conditions, main);
  const groups = groupBy(bySample.entries(), ([, rows]) => rows[0]?.passage ?? 0);
  const total = run.result.questions;
  const shown = bySample.size;
  const rest =
    shown === total
      ? ""
      : ` The other ${formatCount(total - shown)} are not in this page: <code>--samples ${end < total ? `${end + 1}-${Math.min(total, end + shown)}` : "1-40"}</code> shows others.`;
  const articles = [...groups].map(([passage, samples]) => view.passage(passage, samples, passages.get(passage)));
  const marks = `<p class="quiet">Kept tokens are marked: ${markSamples()}, the stronger, the higher the score (or the more heads keep the token, where each head chooses for itself). All other tokens are grey. ↵ is a kept line break.</p>`;
  return `<h2 id="samples">Questions</h2>
<p>Questions ${formatCount(start + 1)} to ${formatCount(start + shown)} of ${formatCount(total)}, in the order of the data.${rest}</p>
${passages.size === 0 ? "" : marks}
${controls(conditions, main)}
${articles.join("\n")}
${view.leftOut()}`;
}

/** Names of conditions as the result has them, the full cache first. */
function conditionsInOrder({ result }: StoredRun): string[] {
  const names = result.results.map((one) => conditionName(conditionMeasured(one)));
  return names.includes("full") ? ["full", ...names.filter((name) => name !== "full")] : names;
}

/** What is looked at first: kv-distill at its largest budget that leaves something out, or what there is instead of it. */
function mainOf({ result }: StoredRun): string {
  const conditions = result.results.map(conditionMeasured).filter(({ method }) => method !== "full");
  const ours = conditions.filter(({ method }) => method === "kv-distill");
  const smaller = (own: readonly Condition[]): Condition | undefined => own.find(({ keep = 1 }) => keep < 1);
  const main = smaller(ours) ?? ours[0] ?? smaller(conditions) ?? conditions[0];
  return main === undefined ? "" : conditionName(main);
}

function controls(conditions: readonly string[], main: string): Markup {
  const others = conditions.flatMap((name, i) =>
    name === "full" ? [] : [`<option value="${i}">${htmlText(name)}</option>`],
  );
  return `<div class="controls" hidden>
<label>Search <input id="search" type="search" placeholder="in questions and answers"></label>
<label>Beside the full cache <select id="method" data-main="${conditions.indexOf(main)}"><option value="">as listed${main === "" ? "" : `; outcomes: ${htmlText(main)}`}</option>${others.join("")}</select></label>
<label>Show <select id="outcome"><option value="">all questions</option><option value="lost">worse than the full cache</option><option value="gained">better than the full cache</option><option value="failed">failed</option></select></label>
<span class="count" aria-live="polite"></span>
</div>`;
}

class SamplesView {
  private readonly run: StoredRun;
  private readonly conditions: readonly string[];
  private readonly main: string;
  private marked = 0;
  private omitted = 0;

  constructor(run: StoredRun, conditions: readonly string[], main: string) {
    this.run = run;
    this.conditions = conditions;
    this.main = main;
  }

  passage(
    passage: number,
    samples: readonly (readonly [number, readonly SampleRow[]])[],
    kept: KeptPassage | undefined,
  ): Markup {
    const tokens = samples[0]?.[1][0]?.contextTokens ?? 0;
    const questions = samples.map(([sample, rows]) => this.question(sample, rows));
    return `<article class="passage">
<h3>Passage ${formatCount(passage + 1)} <span class="quiet">${formatCount(tokens)} tokens</span></h3>
${kept === undefined ? "" : this.keptTexts(kept, samples)}
${questions.join("\n")}
</article>`;
  }

  /** Says what did not fit into the page. */
  leftOut(): Markup {
    if (this.omitted === 0) return "";
    const limit = formatBytes(MOST_MARKED);
    return `<p class="note">${formatCount(this.omitted)} marked texts are left out, over the ${limit} of a page; <code>--samples</code> with fewer questions shows them.</p>`;
  }

  private keptTexts(passage: KeptPassage, samples: readonly (readonly [number, unknown])[]): Markup {
    const shown = new Set(samples.map(([sample]) => sample));
    const texts = this.conditions.flatMap((name, i) =>
      (passage.kept.get(name) ?? [])
        .filter(({ sample }) => sample === undefined || shown.has(sample))
        .map((kept) => ({ main: isMain(name), markup: name === "full" ? "" : this.keptText(name, i, kept, passage) })),
    );
    const first = texts.filter(({ main }) => main).map(({ markup }) => markup);
    const others = texts.filter(({ main, markup }) => !main && markup !== "").map(({ markup }) => markup);
    const more = `<details class="more"><summary>What the others kept (${others.length})</summary>${others.join("\n")}</details>`;
    return [...first, ...(others.length === 0 ? [] : [more])].join("\n");
  }

  private keptText(name: string, condition: number, kept: Kept, { text }: KeptPassage): Markup {
    const tokens = text.spans.length;
    const holders = Array.from(kept.holders);
    const share = holders.reduce((sum, count) => sum + count, 0) / (kept.heads * tokens);
    const heads = kept.heads === 1 ? "" : `, ${formatCount(kept.heads)} heads each for itself`;
    const question = kept.sample === undefined ? "" : `, for question ${formatCount(kept.sample + 1)}, which it saw`;
    const facts = `${formatPercent(share)} of ${formatCount(tokens)} tokens, ${formatBytes(kept.bytes)}${heads}${question}`;
    const summary = `<summary>What ${htmlText(name)} kept <span class="quiet">${facts}</span></summary>`;
    const room = MOST_MARKED - this.marked;
    const marked = room > text.text.length ? markedText(text, kept, false) : undefined;
    if (marked === undefined || marked.length > room) {
      this.omitted++;
      return "";
    }
    this.marked += marked.length;
    const open = name === this.main && kept.sample === undefined ? " open" : "";
    const label = `What ${htmlText(name)} kept${question}`;
    return `<details class="kept" data-c="${condition}"${open}>${summary}<div class="text" tabindex="0" role="group" aria-label="${label}">${marked}</div></details>`;
  }

  private question(sample: number, rows: readonly SampleRow[]): Markup {
    const text = this.run.questions.get(sample);
    const id = rows[0]?.id ?? "";
    const golds = text?.golds.map((gold) => `<b>${htmlText(gold)}</b>`).join(" · ") ?? "";
    const ordered = this.conditions.flatMap((name, i) => {
      const row = rows.find((one) => conditionName(conditionOf(one)) === name);
      return row === undefined ? [] : [{ name, markup: this.answer(row, name, i) }];
    });
    const first = ordered.filter(({ name }) => name === "full" || isMain(name)).map(({ markup }) => markup);
    const others = ordered.filter(({ name }) => name !== "full" && !isMain(name)).map(({ markup }) => markup);
    const more =
      others.length === 0
        ? ""
        : `<details class="more"><summary>Other answers (${others.length})</summary><ul class="answers">${others.join("\n")}</ul></details>`;
    const failed = rows.some(({ failure }) => failure !== undefined) ? ' data-failed="1"' : "";
    return `<section class="question"${failed}>
<h4>${text === undefined ? `Question ${htmlText(id)}` : htmlText(text.question)}</h4>
<p class="gold"><span class="quiet">${formatCount(sample + 1)} · ${htmlText(id)}${golds === "" ? "" : " · gold:"}</span> ${golds}</p>
<ul class="answers">${first.join("\n")}</ul>
${more}
</section>`;
  }

  private answer(row: SampleRow, name: string, condition: number): Markup {
    const [headline] = this.run.result.metrics;
    const score = headline === undefined ? undefined : row[headline];
    const figures = [
      ...(headline === undefined || score === undefined ? [] : [`${METRICS[headline]} ${scoreText(score)}`]),
      ...(row.forwardKl === null || row.method === "full" ? [] : [`KL ${formatNumber(row.forwardKl)}`]),
      ...(row.finish === "length" ? ["cut"] : []),
    ];
    const said =
      row.failure !== undefined
        ? `<span class="said none">failed: ${htmlText(row.failure.message)}</span>`
        : row.finish === "none"
          ? `<span class="said none">nothing is generated</span>`
          : row.answer === ""
            ? `<span class="said none">empty</span>`
            : `<span class="said">${htmlText(row.answer)}</span>`;
    const data = score === undefined ? "" : ` data-s="${score}"`;
    return `<li data-c="${condition}"${data}><span class="who">${htmlText(name)}</span>${said}<span class="figures">${htmlText(figures.join(" · "))}</span></li>`;
  }
}

function isMain(name: string): boolean {
  return name.startsWith("kv-distill ");
}

function scoreText(score: number): string {
  if (score === 1) return "✓";
  return score === 0 ? "✗" : score.toFixed(2);
}

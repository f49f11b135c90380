import { keyValueBytes, type KvCache, slotsOf } from "../../cache/kv-cache.ts";
import { compress } from "../../compress/compress-text.ts";
import { generate } from "../../generate/generate.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import { formatBytes, formatCount, formatDuration, formatPercent } from "../../util/format.ts";
import { printable } from "../../util/printable.ts";
import type { Progress } from "../../util/progress.ts";
import type { CommandContext } from "../context.ts";
import { printTable } from "../print-table.ts";

/** A cache of the demo's text. */
interface DemoCache {
  readonly name: string;
  readonly cache: KvCache;
  readonly keep: number;
  readonly seconds: number;
}

const ANSWER_TOKENS = 40;

/**
 * Compresses a text at several ratios, asks every cache the same questions and prints what came out, the full cache's answers first.
 * @throws KvDistillError as `compress` and `generate`
 */
export async function compressAndAsk(
  model: LanguageModel,
  text: string,
  questions: readonly string[],
  keeps: readonly number[],
  { out, signal }: CommandContext,
  progress: Progress,
): Promise<void> {
  const caches: DemoCache[] = [];
  for (const keep of [1, ...keeps]) {
    const begun = performance.now();
    const method = keep === 1 ? "full" : "kv-distill";
    const cache = await compress(model, text, { keep, method, signal });
    const name = keep === 1 ? "full" : formatPercent(keep);
    caches.push({ name, cache, keep, seconds: (performance.now() - begun) / 1000 });
    progress.update(caches.length);
  }
  printTable(out, CACHE_COLUMNS, caches.map(cacheRow(model)));
  let done = caches.length;
  for (const question of questions) {
    const rows: string[][] = [];
    for (const { name, cache } of caches) {
      const begun = performance.now();
      let answer = "";
      const asked = { cache, prompt: question, style: "short-answer", maxTokens: ANSWER_TOKENS, signal } as const;
      for await (const piece of generate(model, asked)) answer += piece;
      rows.push([name, printable(answer.trim()), formatDuration((performance.now() - begun) / 1000)]);
      progress.update(++done);
    }
    out.line("");
    out.line(out.colours.bold(question));
    printTable(out, ANSWER_COLUMNS, rows);
  }
}

const CACHE_COLUMNS = ["kept", "tokens", "size (F16)", "time to make"];
const ANSWER_COLUMNS = ["kept", "answer", "time"];

const cacheRow =
  ({ config }: LanguageModel) =>
  ({ name, cache, seconds }: DemoCache): string[] => [
    name,
    `${formatCount(slotsOf(cache))} of ${formatCount(cache.contextLength)}`,
    formatBytes(keyValueBytes(config, slotsOf(cache), 2)),
    formatDuration(seconds),
  ];

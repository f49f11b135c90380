import { stat } from "node:fs/promises";
import { join } from "node:path";
import { type LengthCounts, summariseLengths } from "../../data/prepare/lengths-chart.ts";
import type { Preparation } from "../../data/prepare/prepare-store.ts";
import { STORE_FILES, type StoreHeader } from "../../data/store/header.ts";
import { formatBytes, formatCount, formatDuration } from "../../util/format.ts";
import { printable } from "../../util/printable.ts";
import type { CommandContext } from "../context.ts";
import { rowsJson, tellRows } from "./tell-rows.ts";

/** What became of rows and passages, for people. */
export function tellPreparation({ inputs, tokenising, lengths }: Preparation, context: CommandContext): void {
  for (const line of tokenising.lines()) context.log.warn(line);
  tellRows(inputs, context);
  for (const line of lengthLines(lengths)) context.out.line(line);
}

export function preparationJson({ inputs, tokenising, lengths }: Preparation): object {
  const parts = Object.entries(lengths.counts);
  return {
    inputs: rowsJson(inputs),
    leftOut: tokenising.counts(),
    lengths: Object.fromEntries(parts.map(([part, own]) => [part, summariseLengths(own)])),
  };
}

function lengthLines({ counts }: LengthCounts): string[] {
  return Object.entries(counts).flatMap(([part, own]) => {
    const summary = summariseLengths(own);
    if (summary === undefined) return [];
    const { count, least, median, most } = summary;
    return [
      `${formatCount(count)} ${part} of ${formatCount(least)} to ${formatCount(most)} tokens, median ${formatCount(median)}`,
    ];
  });
}

/** What lies in a new store. */
export async function tellStore(
  path: string,
  { examples, turns, tokens, sources }: StoreHeader,
  seconds: number,
  { out }: CommandContext,
): Promise<void> {
  const licences = new Map<string, number>();
  for (const { licence, examples: own } of sources) licences.set(licence, (licences.get(licence) ?? 0) + own);
  for (const [licence, own] of licences) out.line(`licence ${printable(licence)}: ${formatCount(own)} examples`);
  const size = await storeBytes(path);
  out.line(
    `${path}: ${formatCount(examples)} examples, ${formatCount(turns)} turns, ${formatCount(tokens)} tokens, ` +
      `${formatBytes(size)}, in ${formatDuration(seconds)}`,
  );
}

/** Bytes of a store's files. */
export async function storeBytes(path: string): Promise<number> {
  const files = await Promise.all(Object.values(STORE_FILES).map((name) => stat(join(path, name))));
  return files.reduce((sum, { size }) => sum + size, 0);
}

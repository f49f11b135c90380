import { KvDistillError } from "../../util/errors.ts";

/**
 * Rouge-L as Google's rouge-score package computes it without stemming: F-measure of the longest common subsequence of words, words being
 * runs of ASCII letters and digits in lower case; the best over the golds. (Lin 2004;
 * https://github.com/google-research/google-research/tree/master/rouge)
 * @throws KvDistillError `bad-argument` without golds
 */
export function rougeL(answer: string, golds: readonly string[]): number {
  if (golds.length === 0) {
    throw new KvDistillError("bad-argument", "an answer cannot be scored", { expected: "at least one gold answer" });
  }
  const own = words(answer);
  return Math.max(...golds.map((gold) => fMeasure(own, words(gold))));
}

function words(text: string): string[] {
  return text
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== "");
}

function fMeasure(own: readonly string[], gold: readonly string[]): number {
  const common = lcsTable(gold, own).at(-1)?.at(-1) ?? 0;
  if (common === 0) return 0;
  const precision = common / own.length;
  const recall = common / gold.length;
  return (2 * precision * recall) / (precision + recall);
}

/** Lengths of the longest common subsequences of all beginnings: row i, column j for the first i of `a` and the first j of `b`. */
export function lcsTable(a: readonly string[], b: readonly string[]): Uint32Array[] {
  let above = new Uint32Array(b.length + 1);
  const table = [above];
  for (const word of a) {
    const row = new Uint32Array(b.length + 1);
    for (let j = 1; j <= b.length; j++) {
      row[j] = word === b[j - 1] ? (above[j - 1] ?? 0) + 1 : Math.max(above[j] ?? 0, row[j - 1] ?? 0);
    }
    table.push(row);
    above = row;
  }
  return table;
}

import type { QuestionRow, RowFault } from "../passage.ts";
import { KvDistillError } from "../../util/errors.ts";
import { evaluationTexts } from "./evaluation-texts.ts";
import { Fingerprints } from "./fingerprints.ts";
import { comparable, shingles } from "./shingles.ts";

export interface OverlapRule {
  /** Words of a shingle. */
  readonly words: number;
  /** A row that shares this many shingles with the evaluation files is left out. */
  readonly threshold: number;
}

/** Any 13 words in a row, as in appendix C of GPT-3's paper (arXiv 2005.14165). */
export const DEFAULT_OVERLAP: OverlapRule = { words: 13, threshold: 1 };

/** What a row shares with evaluation files. */
export interface Overlap {
  /** The file that shares most. */
  readonly file: string;
  /** Shingles of the row that stand in any of the files. */
  readonly shared: number;
  /** The first of them, in lower case. */
  readonly words: string;
}

/** The shingles of evaluation files, to hold training rows against. */
export interface EvaluationShingles {
  readonly files: readonly string[];
  readonly rule: OverlapRule;
  /** Different shingles in all files. */
  readonly size: number;
  /** Undefined for a row that shares fewer than the rule allows. */
  overlapOf(row: QuestionRow): Overlap | undefined;
}

/** A fingerprint's number is two bytes, 0 meaning none. */
const MOST_FILES = 2 ** 16 - 1;

/**
 * Reads evaluation files.
 * @throws KvDistillError `bad-argument` for an impossible rule or too many files, `bad-file` when a file has no text as long as a shingle,
 * and what `readLines` throws
 */
export async function readEvaluationShingles(
  files: readonly string[],
  rule: OverlapRule,
  onFault: (fault: RowFault) => void,
): Promise<EvaluationShingles> {
  checkRule(files, rule);
  const known = new Fingerprints();
  for (const [number, file] of files.entries()) {
    let found = 0;
    for await (const text of evaluationTexts(file, onFault)) {
      for (const shingle of shingles(comparable(text), rule.words)) {
        known.add(shingle, number + 1);
        found++;
      }
    }
    if (found > 0) continue;
    throw new KvDistillError("bad-file", "no text of the evaluation file is long enough to compare", {
      where: file,
      expected: `texts of at least ${rule.words} words`,
    });
  }

  function sharedIn(part: string): Shared {
    const text = comparable(part);
    const shared: Shared = { ofFile: new Map(), count: 0, words: "" };
    for (const shingle of shingles(text, rule.words)) {
      const number = known.get(shingle);
      if (number === 0) continue;
      if (shared.count === 0) shared.words = text.slice(shingle.start, shingle.end);
      shared.count++;
      shared.ofFile.set(number, (shared.ofFile.get(number) ?? 0) + 1);
    }
    return shared;
  }

  // Rows of one passage follow one another with the same context.
  let last: { readonly context: string; readonly shared: Shared } | undefined;
  return {
    files,
    rule,
    size: known.size,
    overlapOf: ({ context, question, answers }) => {
      if (last?.context !== context) last = { context, shared: sharedIn(context) };
      const parts = [last.shared, sharedIn(question), ...answers.map(sharedIn)];
      const shared = parts.reduce((sum, { count }) => sum + count, 0);
      if (shared < rule.threshold) return undefined;
      return { file: files[mostShared(parts) - 1] ?? "", shared, words: parts.find(({ words }) => words)?.words ?? "" };
    },
  };
}

interface Shared {
  readonly ofFile: Map<number, number>;
  count: number;
  words: string;
}

function mostShared(parts: readonly Shared[]): number {
  const sums = new Map<number, number>();
  for (const { ofFile } of parts) for (const [file, count] of ofFile) sums.set(file, (sums.get(file) ?? 0) + count);
  return [...sums].reduce((most, own) => (own[1] > most[1] ? own : most), [0, 0])[0];
}

function checkRule(files: readonly string[], { words, threshold }: OverlapRule): void {
  const faults: string[] = [];
  for (const [name, value] of Object.entries({ words, threshold })) {
    if (!Number.isInteger(value) || value < 1) faults.push(`${name}: expected a whole number from 1, got ${value}`);
  }
  if (files.length > MOST_FILES) faults.push(`files: ${files.length}, at most ${MOST_FILES}`);
  if (faults.length > 0) throw new KvDistillError("bad-argument", "decontamination", { faults });
}

import { KvDistillError } from "../../util/errors.ts";
import { pythonWords } from "./python-text.ts";

/** How one answer fares against its gold answers. */
export interface AnswerScores {
  /** Exact match: 1 when the normalised answer equals a normalised gold answer. */
  readonly em: 0 | 1;
  /** Best word overlap with a gold answer, 0 … 1. */
  readonly f1: number;
  /** 1 when a normalised gold answer is a part of the normalised answer. */
  readonly goldInAnswer: 0 | 1;
  /** 1 when the normalised answer is a part of a normalised gold answer. */
  readonly answerInGold: 0 | 1;
}

// string.punctuation of Python: ASCII only.
const PUNCTUATION = /[!-/:-@[-`{-~]/g;
// `\b` around an article, between Python's word characters: letters and numbers of any script and the underscore.
// Combining marks are none, so "a" + U+0301 loses its "a". JavaScript's own `\b` knows ASCII only.
const ARTICLE = /(?<![\p{L}\p{N}_])(?:a|an|the)(?![\p{L}\p{N}_])/gu;

/**
 * An answer as the official SQuAD v1.1 script compares it: lower-cased, then ASCII punctuation removed, then English
 * articles removed, then words joined by single spaces; letters, word boundaries and white space as Python defines
 * them. (Rajpurkar et al. 2016, arXiv 1606.05250; evaluate-v1.1.py.)
 */
export function normalizeAnswer(text: string): string {
  return words(text).join(" ");
}

/**
 * The official exact match and F1, each the best over the gold answers, and containment both ways. A side that is
 * empty once normalised is contained in nothing (some official gold answers are a lone full stop).
 * @throws KvDistillError `bad-argument` without gold answers.
 */
export function scoreAnswer(answer: string, golds: readonly string[]): AnswerScores {
  if (golds.length === 0) {
    throw new KvDistillError("bad-argument", "an answer cannot be scored", { expected: "at least one gold answer" });
  }
  const own = words(answer);
  const ownText = own.join(" ");
  const gold = golds.map(words);
  const goldTexts = gold.map((one) => one.join(" "));
  return {
    em: flag(goldTexts.includes(ownText)),
    f1: Math.max(...gold.map((one) => wordF1(own, one))),
    goldInAnswer: flag(goldTexts.some((one) => contains(ownText, one))),
    answerInGold: flag(goldTexts.some((one) => contains(one, ownText))),
  };
}

function words(text: string): string[] {
  const plain = text.toLowerCase().replaceAll(PUNCTUATION, "").replaceAll(ARTICLE, " ");
  return pythonWords(plain);
}

/** 2·P·R / (P + R) over words as a multiset, in the official order of operations; 0 when none is shared. */
function wordF1(own: readonly string[], gold: readonly string[]): number {
  const left = new Map<string, number>();
  for (const word of gold) left.set(word, (left.get(word) ?? 0) + 1);
  let same = 0;
  for (const word of own) {
    const available = left.get(word) ?? 0;
    if (available === 0) continue;
    left.set(word, available - 1);
    same++;
  }
  if (same === 0) return 0;
  const precision = same / own.length;
  const recall = same / gold.length;
  return (2 * precision * recall) / (precision + recall);
}

function contains(whole: string, part: string): boolean {
  return part !== "" && whole.includes(part);
}

function flag(value: boolean): 0 | 1 {
  return value ? 1 : 0;
}

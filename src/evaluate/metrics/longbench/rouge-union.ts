import { pythonWords } from "../python-text.ts";
import { lcsTable } from "../rouge-l.ts";

/**
 * Rouge-L as the `rouge` package that LongBench scores with computes it (https://github.com/pltrdy/rouge, `rouge_l_summary_level`): texts
 * are cut at full stops, and counted are the different words that lie on a longest common subsequence of some sentence of each. An empty
 * side scores 0. The package gives up on sentences of about a thousand words, and LongBench then counts 0; here they are scored.
 */
export function rougeUnion(answer: string, gold: string): number {
  const own = sentencesOf(answer);
  const theirs = sentencesOf(gold);
  if (own.length === 0 || theirs.length === 0) return 0;
  const common = new Set<string>();
  for (const sentence of theirs)
    for (const other of own) for (const word of subsequence(sentence, other)) common.add(word);
  const precision = common.size / new Set(own.flat()).size;
  const recall = common.size / new Set(theirs.flat()).size;
  return 2 * ((precision * recall) / (precision + recall + 1e-8));
}

/** Sentences as words; one of white space alone has one word, the empty one. */
function sentencesOf(text: string): string[][] {
  return text
    .split(".")
    .filter((part) => part !== "")
    .map((part) => {
      const words = pythonWords(part);
      return words.length === 0 ? [""] : words;
    });
}

/** The words of one longest common subsequence: of several the one that the package takes. */
function subsequence(a: readonly string[], b: readonly string[]): string[] {
  const table = lcsTable(a, b);
  const at = (i: number, j: number): number => table[i]?.[j] ?? 0;
  const taken: string[] = [];
  let i = a.length;
  let j = b.length;
  while (i > 0 && j > 0) {
    const word = a[i - 1] ?? "";
    if (word === b[j - 1]) {
      taken.push(word);
      i--;
      j--;
    } else if (at(i - 1, j) > at(i, j - 1)) i--;
    else j--;
  }
  return taken;
}

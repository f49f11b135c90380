import type { Random } from "../../../util/random.ts";
import type { RulerGenerator } from "./sample.ts";
import { ADJECTIVES, NOUNS, VERBS } from "./words.ts";

const COMMON = 10;
/** Below this length fewer repeats. */
const SHORT = 4096;
const INSTRUCTION =
  "Below is a numbered list of words. In these words, some appear more often than others. " +
  "Memorize the ones that appear most often.\n";
const QUESTION = "Question: What are the 10 most common words in the above list?";
const PREFIX = "Answer: The top 10 words that appear most often in the list are:";

const WORDS = [...new Set([...NOUNS, ...ADJECTIVES, ...VERBS])].sort();

/** A numbered list in which ten words come more often, after one example of the same (common_words_extraction.py). */
export const commonWords: RulerGenerator = {
  least: COMMON + 1,
  most: WORDS.length,
  make: (random, size, length) => {
    const short = length < SHORT;
    const example = list(random, short ? 20 : 40, short ? 3 : 10, short ? 1 : 3);
    const own = list(random, size, short ? 6 : 30, short ? 1 : 3);
    const solved = `${INSTRUCTION}${example.text}\n${QUESTION} ${PREFIX} ${numbered(example.common)}`;
    return {
      context: `${solved}\n${INSTRUCTION}${own.text}`,
      question: QUESTION,
      answerPrefix: PREFIX,
      references: own.common,
      answer: numbered(own.common),
    };
  },
};

function list(
  random: Random,
  words: number,
  commonRepeats: number,
  otherRepeats: number,
): { readonly text: string; readonly common: readonly string[] } {
  const drawn = random.shuffle([...WORDS]).slice(0, words);
  const common = drawn.slice(0, COMMON);
  const repeated = (some: readonly string[], times: number): string[] =>
    some.flatMap((word) => new Array<string>(times).fill(word));
  const all = random.shuffle([...repeated(common, commonRepeats), ...repeated(drawn.slice(COMMON), otherRepeats)]);
  return { text: numbered(all), common };
}

function numbered(words: readonly string[]): string {
  return words.map((word, i) => `${i + 1}. ${word}`).join(" ");
}

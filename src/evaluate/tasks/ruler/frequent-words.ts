import type { Random } from "../../../util/random.ts";
import { listed, type RulerGenerator } from "./sample.ts";

const NEW_TOKENS = 50;
const WORD_LENGTH = 6;
/** zeta(2): words come as often as 1 / rank². */
const ZETA = Math.PI ** 2 / 6;
/** The noise, three words that are asked for, and one that is not. */
const SMALLEST_VOCABULARY = 5;

/** Coded words whose frequencies fall with the square of their rank; the most frequent is noise (freq_words_extraction.py). */
export const frequentWords: RulerGenerator = {
  // So many that the third word comes twice.
  least: Math.ceil(2 * 16 * ZETA),
  make: (random, size, length) => {
    const vocabulary = Math.max(SMALLEST_VOCABULARY, Math.floor((length - NEW_TOKENS) / 50));
    const words = new Set<string>();
    while (words.size < vocabulary) words.add(coded(random));
    const ranked = ["...", ...random.shuffle([...words]).slice(1)];
    const text = ranked.flatMap((word, i) => new Array<string>(Math.floor(size / (ZETA * (i + 1) ** 2))).fill(word));
    const most = ranked.slice(1, 4);
    return {
      context:
        "Read the following coded text and track the frequency of each coded word. Find the three most frequently appeared coded words. " +
        random.shuffle(text).join(" "),
      question:
        "Question: Do not provide any explanation. Please ignore the dots '....'. " +
        "What are the three most frequently appeared words in the above coded text?",
      answerPrefix: "Answer: According to the coded text above, the three most frequently appeared words are:",
      references: most,
      answer: listed(most),
    };
  },
};

function coded(random: Random): string {
  return Array.from({ length: WORD_LENGTH }, () => String.fromCharCode(97 + random.integer(26))).join("");
}

import { KvDistillError } from "../../util/errors.ts";
import { quote } from "../../util/quote.ts";
import type { Parser } from "../spec.ts";
import { suggest } from "../suggest.ts";

/** One of a few words. */
export function choice<const T extends string>(words: readonly T[]): Parser<T> {
  return (text) => {
    const word = words.find((known) => known === text);
    if (word !== undefined) return word;
    const meant = suggest(text, words);
    throw new KvDistillError("bad-argument", "no such word", {
      expected: words.join(", "),
      got: quote(text),
      ...(meant === undefined ? {} : { hint: `did you mean ${meant}?` }),
    });
  };
}

/** Several of a few words, separated by commas, none twice. */
export function choices<const T extends string>(words: readonly T[]): Parser<readonly T[]> {
  const one = choice(words);
  return (text) => {
    const chosen = text.split(",").map((part) => one(part.trim()));
    if (new Set(chosen).size === chosen.length) return chosen;
    throw new KvDistillError("bad-argument", "a word stands there twice", {
      expected: `each of ${words.join(", ")} at most once`,
      got: quote(text),
    });
  };
}

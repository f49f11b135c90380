import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { normalizeAnswer, scoreAnswer } from "../../src/evaluate/metrics/squad.ts";

type Pair = [string, string[], string, number, number, number, number];

interface UnicodeFacts {
  space: [number, number][];
  word: [number, number][];
  unassigned: [number, number][];
  lower: [number, string][];
}

const folder = new URL("../golden/squad/", import.meta.url);
const pairs = readFileSync(new URL("pairs.jsonl", folder), "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line) as Pair);
const facts = JSON.parse(readFileSync(new URL("unicode.json", folder), "utf8")) as UnicodeFacts;

function members(ranges: readonly [number, number][]): Set<number> {
  const set = new Set<number>();
  for (const [first, last] of ranges) for (let code = first; code <= last; code++) set.add(code);
  return set;
}

describe("as Python scores", () => {
  test("4,000 fuzzed pairs, non-ASCII included, equal to the last bit", () => {
    expect(pairs).toHaveLength(4000);
    for (const [answer, golds, normalised, em, f1, goldInAnswer, answerInGold] of pairs) {
      const scores = scoreAnswer(answer, golds);
      const facts = { answer, golds, normalised: normalizeAnswer(answer), ...scores };
      expect(facts).toEqual({ answer, golds, normalised, em, f1, goldInAnswer, answerInGold });
    }
  });

  test("white space, word characters and lower case agree on every character that Python's Unicode knows", () => {
    const space = members(facts.space);
    const word = members(facts.word);
    const unassigned = members(facts.unassigned);
    const lower = new Map(facts.lower);
    const wrong: string[] = [];
    for (let code = 0; code <= 0x10ffff; code++) {
      if (unassigned.has(code)) continue;
      const mark = String.fromCodePoint(code);
      const own = mark.toLowerCase();
      if (own !== (lower.get(code) ?? mark)) wrong.push(`lower ${code.toString(16)}`);
      // Between two words white space separates, and before an article a word character protects it.
      if ((normalizeAnswer(`x${mark}y`) === "x y") !== space.has(code)) wrong.push(`space ${code.toString(16)}`);
      const isDropped = /^[!-/:-@[-`{-~]$/.test(mark) || mark === " ";
      if (!isDropped && own === mark && normalizeAnswer(`${mark}the`).endsWith("the") !== word.has(code)) {
        wrong.push(`word ${code.toString(16)}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});

describe("the rules in words", () => {
  test.each([
    ["The Cat, an animal!", "cat animal"],
    ["España", "españa"],
    ["a\u0301b", "\u0301b"],
    ["rock-n-roll", "rocknroll"],
    ["one\u0085two\u001cthree", "one two three"],
    ["one\ufefftwo", "one\ufefftwo"],
    ["“the” end…", "“ ” end…"],
    ["ΟΔΥΣΣΕΥΣ", "οδυσσευς"],
    ["the_end", "theend"],
  ])("%j becomes %j", (text, normalised) => {
    expect(normalizeAnswer(text)).toBe(normalised);
  });

  test("empty sides are contained in nothing, though they match each other exactly", () => {
    expect(scoreAnswer("", ["the cat"])).toEqual({ em: 0, f1: 0, goldInAnswer: 0, answerInGold: 0 });
    expect(scoreAnswer("some text", ["."])).toEqual({ em: 0, f1: 0, goldInAnswer: 0, answerInGold: 0 });
    expect(scoreAnswer("the", ["a"])).toEqual({ em: 1, f1: 0, goldInAnswer: 0, answerInGold: 0 });
  });

  test("names of object members are words like any other", () => {
    expect(scoreAnswer("constructor __proto__", ["constructor"]).f1).toBeCloseTo(2 / 3, 12);
  });
});

describe("properties", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "the", " ", "x", "Y", "é", ".", "5"), maxLength: 12 });

  test("normalising twice changes nothing more than once", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("the", "cat", "A", "x.", "España"), { maxLength: 8 }), (parts) => {
        const once = normalizeAnswer(parts.join(" "));
        expect(normalizeAnswer(once)).toBe(once);
      }),
    );
  });

  test("exact match implies F1 1 and containment both ways, unless empty; more golds never hurt", () => {
    fc.assert(
      fc.property(text, fc.array(text, { minLength: 1, maxLength: 4 }), text, (answer, golds, more) => {
        const scores = scoreAnswer(answer, golds);
        if (scores.em === 1 && normalizeAnswer(answer) !== "") {
          expect(scores).toEqual({ em: 1, f1: 1, goldInAnswer: 1, answerInGold: 1 });
        }
        expect(scores.f1).toBeGreaterThanOrEqual(0);
        expect(scores.f1).toBeLessThanOrEqual(1);
        const wider = scoreAnswer(answer, [...golds, more]);
        for (const metric of ["em", "f1", "goldInAnswer", "answerInGold"] as const) {
          expect(wider[metric]).toBeGreaterThanOrEqual(scores[metric]);
        }
      }),
    );
  });

  test("F1 is symmetric between one answer and one gold", () => {
    fc.assert(
      fc.property(text, text, (one, other) => {
        expect(scoreAnswer(one, [other]).f1).toBeCloseTo(scoreAnswer(other, [one]).f1, 12);
      }),
    );
  });
});

test("no gold answers are refused", () => {
  expect(() => scoreAnswer("x", [])).toThrow("an answer cannot be scored; expected at least one gold answer");
});

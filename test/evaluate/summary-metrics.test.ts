import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LONGBENCH, longBenchScore } from "../../src/evaluate/metrics/longbench/datasets.ts";
import { similarity } from "../../src/evaluate/metrics/longbench/similarity.ts";
import { rougeL } from "../../src/evaluate/metrics/rouge-l.ts";

function golden<T>(path: string): T[] {
  const text = readFileSync(new URL(`../golden/${path}`, import.meta.url), "utf8");
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as T);
}

const words = fc
  .array(fc.constantFrom("a", "b", "c", "D.", "é", "5"), { maxLength: 12 })
  .map((parts) => parts.join(" "));

describe("Rouge-L", () => {
  test("600 fuzzed answers as Google's package scores them", () => {
    const pairs = golden<[string, string[], number]>("rouge/pairs.jsonl");
    expect(pairs).toHaveLength(600);
    for (const [answer, golds, score] of pairs) {
      expect({ answer, golds, score: rougeL(answer, golds) }).toEqual({ answer, golds, score });
    }
  });

  test("1 with itself, symmetric, more golds never hurt", () => {
    fc.assert(
      fc.property(words, words, words, (one, other, third) => {
        const itself = rougeL(one, [one]);
        expect(itself).toBe(/[a-z0-9]/i.test(one) ? 1 : 0);
        expect(rougeL(one, [other])).toBeCloseTo(rougeL(other, [one]), 12);
        expect(rougeL(one, [other, third])).toBeGreaterThanOrEqual(rougeL(one, [other]));
      }),
    );
  });

  test("no golds are refused", () => {
    expect(() => rougeL("a", [])).toThrow("at least one gold");
  });
});

describe("LongBench", () => {
  const cases = golden<[string, string, string[], string[] | null, number]>("longbench/cases.jsonl");

  test.each(Object.keys(LONGBENCH))("%s as its own script scores it", (name) => {
    const own = cases.filter(([dataset]) => dataset === name);
    expect(own).toHaveLength(120);
    for (const [dataset, prediction, golds, classes, score] of own) {
      const got = longBenchScore(dataset, prediction, golds, classes ?? []);
      expect({ prediction, golds, score: got }).toEqual({
        prediction,
        golds,
        score: expect.closeTo(score, 12) as number,
      });
    }
  });

  test("a data set that is not here is named", () => {
    expect(() => longBenchScore("vcsum", "", [""], [])).toThrow(/narrativeqa.*got vcsum/);
  });

  test("likeness is 100 with itself, 0 without a common character, between otherwise", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string(), (one, other) => {
        expect(similarity(one, one)).toBe(100);
        expect(similarity(one, other)).toBeGreaterThanOrEqual(0);
        expect(similarity(one, other)).toBeLessThanOrEqual(100);
      }),
    );
    expect(similarity("abc", "xyz")).toBe(0);
  });
});

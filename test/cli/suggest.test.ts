import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { editDistance, suggest } from "../../src/cli/suggest.ts";

describe("distance of words", () => {
  const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 8 });
  test("0 for equal words only, the same both ways, at most the longer length", () => {
    fc.assert(
      fc.property(word, word, (a, b) => {
        const distance = editDistance(a, b);
        expect(distance === 0).toBe(a === b);
        expect(editDistance(b, a)).toBe(distance);
        expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
        expect(distance).toBeGreaterThanOrEqual(Math.abs(a.length - b.length));
      }),
    );
  });
  test("one edit is 1", () => {
    expect(["kep", "keeep", "kelp", "ekep"].map((slip) => editDistance(slip, "keep"))).toEqual([1, 1, 1, 1]);
    expect(editDistance("kitten", "sitting")).toBe(3);
  });
});

test("a flag with one letter left out or two swapped is recognised", () => {
  const flags = ["--model", "--device", "--threads", "--max-tokens", "--temperature"];
  for (const flag of flags) {
    for (let at = 2; at < flag.length; at++) {
      expect(suggest(flag.slice(0, at) + flag.slice(at + 1), flags)).toBe(flag);
      const swapped =
        flag.slice(0, at) +
        flag
          .slice(at, at + 2)
          .split("")
          .reverse()
          .join("") +
        flag.slice(at + 2);
      expect(suggest(swapped, flags)).toBe(flag);
    }
  }
});

test("another word is not", () => {
  expect(suggest("--verbose", ["--model", "--json"])).toBeUndefined();
  expect(suggest("--x", ["--y"])).toBeUndefined();
});

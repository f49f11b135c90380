import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Parser } from "../../src/cli/spec.ts";
import { byteSize } from "../../src/cli/values/byte-size.ts";
import { choice, choices } from "../../src/cli/values/choice.ts";
import { decimal } from "../../src/cli/values/decimal.ts";
import { keepFraction, keepFractions } from "../../src/cli/values/keep.ts";
import { tokenIds } from "../../src/cli/values/token-ids.ts";
import { seed, wholeNumber } from "../../src/cli/values/whole-number.ts";
import { isKvDistillError } from "../../src/util/errors.ts";

/** A parser's answer; undefined when it refuses with the right kind of error. */
function tried<T>(parse: Parser<T>, text: string): T | undefined {
  try {
    return parse(text);
  } catch (error) {
    if (!isKvDistillError(error) || error.code !== "bad-argument") throw error;
    expect(error.facts.expected).toBeDefined();
    expect(error.facts.got).toBeDefined();
    return undefined;
  }
}

const NOT_NUMBERS = [
  "",
  " ",
  "x",
  "1x",
  "+1",
  "-1",
  "1 ",
  " 1",
  "1_000",
  "1,000",
  "0x10",
  "Infinity",
  "NaN",
  "١",
  "1\n",
];

describe("whole numbers", () => {
  test("every number in the range and none outside", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), fc.maxSafeNat(), (a, b, value) => {
        const [min, max] = a < b ? [a, b] : [b, a];
        expect(tried(wholeNumber({ min, max }), String(value))).toBe(value >= min && value <= max ? value : undefined);
      }),
    );
  });
  test.each([...NOT_NUMBERS, "0", "1.0", "1e3", "9007199254740992"])("%j is refused", (text) => {
    expect(tried(wholeNumber(), text)).toBeUndefined();
  });
  test("0 is a seed", () => {
    expect(seed("0")).toBe(0);
  });
});

describe("decimal numbers", () => {
  test("what JavaScript writes is read back", () => {
    const any = decimal({ min: 0, max: Infinity });
    fc.assert(
      fc.property(fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }), (value) => {
        expect(any(String(Math.abs(value)))).toBe(Math.abs(value));
      }),
    );
  });
  test("the range", () => {
    const share = decimal({ min: 0, max: 1, aboveMin: true });
    expect(["0", "1e-300", "1", "1.0001"].map((text) => tried(share, text))).toEqual([undefined, 1e-300, 1, undefined]);
    expect(tried(decimal({ min: 0, max: 1 }), "0")).toBe(0);
  });
  test.each([...NOT_NUMBERS, "."])("%j is refused", (text) => {
    expect(tried(decimal({ min: 0, max: Infinity }), text)).toBeUndefined();
  });
});

describe("kept parts", () => {
  test("percentages are the nearest float64", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), (tenths) => {
        expect(keepFraction(`${tenths / 10}%`)).toBe(tenths / 10 / 100);
      }),
    );
  });
  test("fractions below 1 are taken, a bare 1 is not", () => {
    expect(keepFraction("0.05")).toBe(0.05);
    expect(() => keepFraction("1")).toThrow(/1%\?/);
    expect(() => keepFraction("25")).toThrow(/25%\?/);
  });
  test.each([...NOT_NUMBERS, "0", "0%", "100.1%", "5 %", "%", "5%%", "1e-2", ".5"])("%j is refused", (text) => {
    expect(tried(keepFraction, text)).toBeUndefined();
  });
  test("lists", () => {
    expect(keepFractions("100%, 25%,0.1")).toEqual([1, 0.25, 0.1]);
    expect(tried(keepFractions, "10%,0.1")).toBeUndefined();
    expect(tried(keepFractions, "10%,")).toBeUndefined();
  });
});

describe("bytes", () => {
  test.each([
    ["1", 1],
    ["2000000", 2e6],
    ["2MB", 2e6],
    ["2 mb", 2e6],
    ["512kB", 512e3],
    ["1.5MiB", 1.5 * 2 ** 20],
    ["3GiB", 3 * 2 ** 30],
    ["1.9999b", 1],
  ])("%j is %d", (text, bytes) => {
    expect(byteSize(text)).toBe(bytes);
  });
  test.each([...NOT_NUMBERS, "0", "0.1", "0MB", "2TB", "2M", "9007200GB"])("%j is refused", (text) => {
    expect(tried(byteSize, text)).toBeUndefined();
  });
});

describe("token ids", () => {
  test("lists of whole numbers from 0", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { minLength: 1 }), (ids) => {
        expect(tokenIds(ids.join(","))).toEqual(ids);
        expect(tokenIds(ids.join(", "))).toEqual(ids);
      }),
    );
  });
  test("all bad ones are told", () => {
    expect(() => tokenIds("1,x,3,-4,,5")).toThrow(/got "x", "-4", ""/);
  });
});

describe("words", () => {
  const methods = ["full", "none", "h2o"] as const;
  test("one of them, or several, none twice", () => {
    expect(choice(methods)("h2o")).toBe("h2o");
    expect(choices(methods)("h2o, full")).toEqual(["h2o", "full"]);
    expect(tried(choices(methods), "h2o,h2o")).toBeUndefined();
    expect(tried(choice(methods), "toString")).toBeUndefined();
  });
  test("a misspelt word is recognised", () => {
    expect(() => choice(methods)("ful")).toThrow(/did you mean full\?/);
    expect(() => choice(methods)("snapkv")).toThrow(/expected full, none, h2o; got "snapkv"$/);
  });
});

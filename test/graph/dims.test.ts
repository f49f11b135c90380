import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  addDims,
  canonicalDim,
  countOf,
  type Dim,
  evaluateDim,
  evaluateShape,
  isSymbol,
  mulDims,
  printShape,
  sameShape,
  subDims,
  symbolsOf,
} from "../../src/graph/dims.ts";
import { errorOf } from "./error-of.ts";

const SYMBOLS = ["B", "T", "P", "T2", "kept_rows"];

/** Polynomials as a person would write them: any order, repeated terms, factors in front and behind. */
const factor = fc.oneof(fc.constantFrom(...SYMBOLS), fc.integer({ min: 0, max: 9 }).map(String));
const term = fc.array(factor, { minLength: 1, maxLength: 3 }).map((factors) => factors.join("*"));
const text = fc
  .tuple(fc.constantFrom("", "-"), term, fc.array(fc.tuple(fc.constantFrom("+", "-"), term), { maxLength: 4 }))
  .map(([sign, first, rest]) => sign + first + rest.flat().join(""));
const dim: fc.Arbitrary<Dim> = fc.oneof(fc.integer({ min: 0, max: 50 }), text);
const bindings = fc
  .tuple(...SYMBOLS.map((symbol) => fc.integer({ min: 0, max: 12 }).map((value) => [symbol, value] as const)))
  .map((entries) => new Map(entries));
describe("polynomials", () => {
  test("arithmetic commutes with evaluation", () => {
    fc.assert(
      fc.property(dim, dim, bindings, (a, b, at) => {
        const [x, y] = [evaluateDim(a, at), evaluateDim(b, at)];
        expect(evaluateDim(addDims(a, b), at)).toBe(x + y);
        expect(evaluateDim(subDims(a, b), at)).toBe(x - y);
        expect(evaluateDim(mulDims(a, b), at)).toBe(x * y + 0); // never -0
      }),
    );
  });

  test("equal polynomials have equal text: the laws of a ring hold by ===", () => {
    fc.assert(
      fc.property(dim, dim, dim, (a, b, c) => {
        expect(addDims(a, b)).toBe(addDims(b, a));
        expect(mulDims(a, b)).toBe(mulDims(b, a));
        expect(addDims(addDims(a, b), c)).toBe(addDims(a, b, c));
        expect(mulDims(a, mulDims(b, c))).toBe(mulDims(a, b, c));
        expect(mulDims(a, addDims(b, c))).toBe(addDims(mulDims(a, b), mulDims(a, c)));
        expect(subDims(a, a)).toBe(0);
        expect(subDims(addDims(a, b), b)).toBe(addDims(a));
        expect(addDims(a, 0)).toBe(mulDims(a, 1));
        expect(mulDims(a, 0)).toBe(0);
      }),
    );
  });

  test("different text means different values somewhere", () => {
    const points = [1009, 2003, 4001].map((base) => new Map(SYMBOLS.map((symbol, i) => [symbol, base + 101 * i * i])));
    fc.assert(
      fc.property(dim, dim, (a, b) => {
        fc.pre(addDims(a) !== addDims(b));
        expect(points.some((at) => evaluateDim(a, at) !== evaluateDim(b, at))).toBe(true);
      }),
    );
  });

  test("canonical text stays as it is, and is read as it was written", () => {
    fc.assert(
      fc.property(text, bindings, (a, at) => {
        const canonical = addDims(a);
        if (typeof canonical === "string") expect(canonicalDim(a)).toBe(canonical);
        expect(addDims(canonical)).toBe(canonical);
        expect(evaluateDim(canonical, at)).toBe(evaluateDim(a, at));
      }),
    );
  });

  test("an evaluated polynomial is a number without symbols", () => {
    fc.assert(
      fc.property(dim, (a) => {
        const canonical = addDims(a);
        expect(typeof canonical === "number").toBe(symbolsOf(canonical).length === 0);
        expect(isSymbol(canonical)).toBe(symbolsOf(canonical)[0] === canonical);
      }),
    );
  });
});

test.each([
  ["T+P", "P+T"],
  ["B*2*T", "2*B*T"],
  ["3+T", "T+3"],
  ["T-T", 0],
  ["2*3", 6],
  ["-P+T", "-P+T"],
  ["T*T-4+1", "T*T-3"],
  ["0*T+7", 7],
  ["B*T+T*B", "2*B*T"],
])("%s is written %s", (written, canonical) => {
  expect(canonicalDim(written)).toBe(canonical);
});

test.each([
  "-1",
  "2-3",
  "",
  " ",
  "T+",
  "+T",
  "T**B",
  "2T",
  "T P",
  "T/2",
  "(T)",
  "T--P",
  "1.5",
  "1e3",
  "_T",
  "-",
  "*T",
  "é",
])("%j is no dimension", (written) => {
  expect(errorOf(() => canonicalDim(written), "invalid-graph").facts.got).toBe(written);
});

test.each([-1, 1.5, NaN, Infinity, 2 ** 53])("%d is no dimension", (number) => {
  errorOf(() => canonicalDim(number), "invalid-graph");
});

test("a symbol without value", () => {
  const error = errorOf(() => evaluateShape([2, "P+T"], new Map([["T", 1]])), "invalid-graph");
  expect(error.message).toBe("P+T: symbolic dimension has no value; got P");
});

test("shapes", () => {
  expect(countOf([])).toBe(1);
  expect(countOf(["B", 3, "P+T"])).toBe("3*B*P+3*B*T");
  expect(evaluateShape(["B", 3, "P+T"], new Map(Object.entries({ B: 2, P: 1, T: 4 })))).toEqual([2, 3, 5]);
  expect(sameShape(["B", 3], ["B", 3])).toBe(true);
  expect(sameShape(["B", 3], ["B", 3, 1])).toBe(false);
  expect(sameShape(["B", 3], ["B", "3"])).toBe(false);
  expect(printShape(["B", 3])).toBe("[B,3]");
});

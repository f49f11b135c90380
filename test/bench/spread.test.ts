import fc from "fast-check";
import { expect, test } from "vitest";
import { spreadOf } from "../../src/bench/spread.ts";
import { expectError } from "./expect-error.ts";

test("quartiles are linear between neighbours", () => {
  expect(spreadOf([4, 1, 3, 2])).toEqual({ count: 4, median: 2.5, q1: 1.75, q3: 3.25, min: 1, max: 4 });
  expect(spreadOf([7])).toEqual({ count: 1, median: 7, q1: 7, q3: 7, min: 7, max: 7 });
});

test("order does not matter, and everything lies in order between the ends", () => {
  const values = fc.array(fc.double({ noNaN: true, min: 0, max: 1e6 }), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(values, (given) => {
      const spread = spreadOf(given);
      expect(spreadOf([...given].reverse())).toEqual(spread);
      const { min, q1, median, q3, max } = spread;
      expect([min, q1, median, q3, max]).toEqual([min, q1, median, q3, max].toSorted((a, b) => a - b));
      expect([min, max]).toEqual([Math.min(...given), Math.max(...given)]);
    }),
  );
});

test("nothing and no number are refused", () => {
  expectError(() => spreadOf([]), "bad-argument");
  expectError(() => spreadOf([1, NaN]), "not-finite");
});

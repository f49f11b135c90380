import fc from "fast-check";
import { expect, test } from "vitest";
import { divergence, teacherOf } from "../../src/evaluate/metrics/divergence.ts";

const row = fc.array(fc.double({ min: -20, max: 20, noNaN: true }), { minLength: 5, maxLength: 5 });
const floats = (rows: readonly (readonly number[])[]): Float32Array[] => rows.map((one) => Float32Array.from(one));

test("against itself nothing; against others more than nothing, whatever is added to all logits", () => {
  fc.assert(
    fc.property(row, row, fc.integer({ min: -9, max: 9 }), (p, q, shift) => {
      const own = divergence(teacherOf(floats([p])), floats([p]), [0]);
      expect(own).toMatchObject({ forwardKl: 0, top1: 1 });
      const other = divergence(teacherOf(floats([p])), floats([q]), [0]);
      expect(other.forwardKl).toBeGreaterThanOrEqual(-1e-9);
      const shifted = divergence(teacherOf(floats([p])), floats([q.map((x) => x + shift)]), [0]);
      expect(shifted.forwardKl).toBeCloseTo(other.forwardKl, 3);
    }),
  );
});

test("means over tokens of known values", () => {
  // Logits log(1), log(3): probabilities 1/4, 3/4; against 1/2, 1/2.
  const p = Float32Array.of(0, Math.log(3));
  const q = Float32Array.of(0, 0);
  const kl = 0.25 * Math.log(0.5) + 0.75 * Math.log(1.5);
  const both = divergence(teacherOf([p, p]), [q, p], [1, 0]);
  expect(both.forwardKl).toBeCloseTo(kl / 2, 6);
  // Of equal logits the first is taken for the likeliest.
  expect(both.top1).toBe(0.5);
  expect(both.answerNll).toBeCloseTo((Math.log(2) + Math.log(4)) / 2, 6);
});

test("rows that do not pair up and numbers that are none are refused", () => {
  const one = [Float32Array.of(0, 1)];
  expect(() => divergence(teacherOf(one), one, [0, 1])).toThrow("do not fit");
  expect(() => divergence(teacherOf([]), [], [])).toThrow("do not fit");
  expect(() => divergence(teacherOf(one), [Float32Array.of(NaN, 1)], [0])).toThrow("not numbers");
});

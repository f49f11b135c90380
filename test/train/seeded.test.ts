import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { normOf, seededDistance, seededValues, signProjections } from "../weights/seeded.ts";

/** The tests with real weights compare gradients by projections on random signs. These must notice what they are there for. */
describe("a distance from 32 projections", () => {
  const tensors = fc.record({ number: fc.nat(1000), size: fc.integer({ min: 1, max: 3000 }) });

  test("is zero for the same values", () => {
    fc.assert(
      fc.property(tensors, ({ number, size }) => {
        const { data } = seededValues(number, [size], 2, 0.1);
        expect(seededDistance(number, data, signProjections(number, data))).toBe(0);
      }),
      { numRuns: 20 },
    );
  });

  test("is the difference where one entry differs", () => {
    fc.assert(
      fc.property(tensors, fc.nat(2999), ({ number, size }, entry) => {
        const { data } = seededValues(number, [size], 2, 0);
        const other = data.slice();
        const at = entry % size;
        other[at] = (other[at] ?? 0) + 0.5;
        expect(seededDistance(number, other, signProjections(number, data))).toBeCloseTo(0.5, 3);
      }),
      { numRuns: 20 },
    );
  });

  test("is near the difference's norm where all entries differ", () => {
    fc.assert(
      fc.property(tensors, ({ number, size }) => {
        const { data } = seededValues(number, [size], 2, 0);
        const noise = seededValues(5000 + number, [size], 0.01, 0).data;
        const other = data.map((value, i) => value + (noise[i] ?? 0));
        const difference = other.map((value, i) => value - (data[i] ?? 0));
        const ratio = seededDistance(number, other, signProjections(number, data)) / normOf(difference);
        expect(ratio).toBeGreaterThan(0.5);
        expect(ratio).toBeLessThan(1.6);
      }),
      { numRuns: 50, seed: 1 },
    );
  });
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bootstrap, percentile } from "../../src/evaluate/metrics/bootstrap.ts";
import { randomFromSeed } from "../../src/util/random.ts";

const value = fc.double({ min: -100, max: 100, noNaN: true });
const sample = fc.array(value, { minLength: 1, maxLength: 30 });
const options = { seed: 3, resamples: 200 };

function normals(n: number, seed: number): number[] {
  const random = randomFromSeed(seed);
  return Array.from({ length: n }, () => random.normal());
}

describe("properties", () => {
  test("same seed, same interval; low ≤ high; inside the range of the values", () => {
    fc.assert(
      fc.property(sample, fc.nat(), (values, seed) => {
        const interval = bootstrap([values], { ...options, seed }).meanOf(0);
        expect(bootstrap([values], { ...options, seed }).meanOf(0)).toEqual(interval);
        expect(interval.low).toBeLessThanOrEqual(interval.high);
        expect(interval.low).toBeGreaterThanOrEqual(Math.min(...values) - 1e-9);
        expect(interval.high).toBeLessThanOrEqual(Math.max(...values) + 1e-9);
      }),
    );
  });

  test("constant values have no width", () => {
    expect(bootstrap([[2, 2, 2, 2]], options).meanOf(0)).toEqual({ mean: 2, low: 2, high: 2 });
  });

  test("a column minus itself is exactly 0, a shifted one exactly the shift: the draws are shared", () => {
    fc.assert(
      fc.property(sample, (values) => {
        const whole = values.map(Math.round);
        const both = bootstrap([whole, whole.map((one) => one + 8)], options);
        expect(both.differenceOf(0, 0)).toEqual({ mean: 0, low: 0, high: 0 });
        const shift = both.differenceOf(1, 0);
        for (const edge of [shift.mean, shift.low, shift.high]) expect(edge).toBeCloseTo(8, 10);
      }),
    );
  });

  test("a difference the other way round is the negative", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(value, value), { minLength: 1, maxLength: 20 }), (rows) => {
        const both = bootstrap([rows.map(([a]) => a), rows.map(([, b]) => b)], options);
        const forth = both.differenceOf(0, 1);
        const back = both.differenceOf(1, 0);
        expect(back.mean).toBeCloseTo(-forth.mean, 10);
        expect(back.low).toBeCloseTo(-forth.high, 10);
        expect(back.high).toBeCloseTo(-forth.low, 10);
      }),
    );
  });

  test("a wider confidence holds the narrower one", () => {
    fc.assert(
      fc.property(sample, (values) => {
        const wide = bootstrap([values], { ...options, confidence: 0.99 }).meanOf(0);
        const narrow = bootstrap([values], { ...options, confidence: 0.8 }).meanOf(0);
        expect(wide.low).toBeLessThanOrEqual(narrow.low);
        expect(wide.high).toBeGreaterThanOrEqual(narrow.high);
      }),
    );
  });
});

describe("statistics", () => {
  test("the width agrees with the normal theory", () => {
    const values = normals(1000, 1);
    const mean = values.reduce((sum, one) => sum + one, 0) / 1000;
    const deviation = Math.sqrt(values.reduce((sum, one) => sum + (one - mean) ** 2, 0) / 1000);
    const interval = bootstrap([values], { seed: 0, resamples: 4000 }).meanOf(0);
    const expected = 2 * 1.96 * (deviation / Math.sqrt(1000));
    expect(Math.abs((interval.high - interval.low) / expected - 1)).toBeLessThan(0.06);
  });

  test("about 95 of 100 intervals hold the true mean", () => {
    let held = 0;
    for (let round = 0; round < 200; round++) {
      const { low, high } = bootstrap([normals(60, 1000 + round)], { seed: round, resamples: 400 }).meanOf(0);
      if (low <= 0 && high >= 0) held++;
    }
    expect(held / 200).toBeGreaterThan(0.89);
    expect(held / 200).toBeLessThan(0.99);
  });

  test("pairing sees a small steady gain under large noise that separate intervals hide", () => {
    const noise = normals(200, 9).map((one) => one * 10);
    const wobble = normals(200, 10).map((one) => one * 0.1);
    const better = noise.map((one, index) => one + 0.2 + (wobble[index] ?? 0));
    const both = bootstrap([better, noise], { seed: 0, resamples: 1000 });
    expect(both.differenceOf(0, 1).low).toBeGreaterThan(0);
    expect(both.meanOf(0).low).toBeLessThan(both.meanOf(1).high);
  });
});

describe("groups", () => {
  test("groups of one sample are no groups, whatever they are called", () => {
    const values = normals(40, 5);
    const plain = bootstrap([values], options).meanOf(0);
    expect(bootstrap([values], { ...options, groups: values.map((_, i) => 900 - i) }).meanOf(0)).toEqual(plain);
  });

  test("samples that only repeat others of their group do not narrow the interval", () => {
    const values = normals(40, 5);
    const repeated = values.flatMap((value) => [value, value, value, value]);
    const groups = repeated.map((_, i) => Math.floor(i / 4));
    const width = ({ low, high }: { low: number; high: number }) => high - low;
    const alone = width(bootstrap([values], options).meanOf(0));
    expect(width(bootstrap([repeated], { ...options, groups }).meanOf(0))).toBeCloseTo(alone, 10);
    expect(width(bootstrap([repeated], options).meanOf(0))).toBeLessThan(0.7 * alone);
  });

  test("groups of unequal size keep the mean over samples", () => {
    const one = bootstrap([[0, 0, 0, 8]], { ...options, groups: [1, 1, 1, 2] }).meanOf(0);
    expect(one).toEqual({ mean: 2, low: 0, high: 8 });
  });

  test("one for each sample", () => {
    expect(() => bootstrap([[1, 2]], { ...options, groups: [0] })).toThrow("groups");
  });
});

describe("percentile", () => {
  // numpy.percentile([1, 2, 4, 8, 16], [0, 2.5, 10, 50, 90, 97.5, 100])
  test("as numpy interpolates", () => {
    const shares = [0, 0.025, 0.1, 0.5, 0.9, 0.975, 1];
    const expected = [1, 1.1, 1.4, 4, 12.8, 15.2, 16];
    shares.forEach((share, index) => {
      expect(percentile([1, 2, 4, 8, 16], share)).toBeCloseTo(expected[index] ?? Number.NaN, 12);
    });
  });

  test("grows with the share", () => {
    fc.assert(
      fc.property(
        sample,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (values, p, q) => {
          const sorted = Float64Array.from(values).sort();
          expect(percentile(sorted, Math.min(p, q))).toBeLessThanOrEqual(percentile(sorted, Math.max(p, q)) + 1e-9);
        },
      ),
    );
  });
});

describe("bad input", () => {
  test.each([
    [[], "lengths"],
    [[[]], "lengths 0"],
    [[[1], [1, 2]], "lengths 1, 2"],
  ])("columns %j", (columns, got) => {
    expect(() => bootstrap(columns, options)).toThrow(got);
  });

  test("values, options and columns that do not exist", () => {
    expect(() => bootstrap([[1, Number.NaN]], options)).toThrow("NaN or infinity");
    expect(() => bootstrap([[1]], { seed: -1 })).toThrow("seed");
    expect(() => bootstrap([[1]], { seed: 0, resamples: 0 })).toThrow("resamples");
    expect(() => bootstrap([[1]], { seed: 0, confidence: 1 })).toThrow("confidence");
    expect(() => bootstrap([[1]], options).meanOf(1)).toThrow("column");
    expect(() => bootstrap([[1]], options).differenceOf(0, 2)).toThrow("column");
    expect(() => percentile([], 0.5)).toThrow("at least one");
    expect(() => percentile([1], 1.5)).toThrow("share");
  });
});

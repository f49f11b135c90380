import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { randomFromSeed, randomFromState } from "../../src/util/random.ts";
import type { RandomState } from "../../src/util/random.ts";

interface GoldenCase {
  seed: number;
  stream: number[];
  words: [number, number, number, number];
  uint32: number[];
  uniform: number[];
  normal: number[];
  integers: [number, number][];
  shuffled: number[];
  last: [number, number, number, number];
}

const golden = JSON.parse(
  readFileSync(new URL("../golden/random/random.json", import.meta.url), "utf8"),
) as GoldenCase[];
const seeds = fc.maxSafeNat();

describe("golden values", () => {
  test("the published sequence of xoshiro128** from the state 1, 2, 3, 4", () => {
    const random = randomFromState({ algorithm: "xoshiro128**", words: [1, 2, 3, 4] });
    expect(Array.from({ length: 10 }, () => random.uint32())).toEqual([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ]);
  });

  test.each(golden)("seed $seed, stream $stream", (one) => {
    const random = randomFromSeed(one.seed, ...one.stream);
    expect(random.state().words).toEqual(one.words);
    expect(one.uint32.map(() => random.uint32())).toEqual(one.uint32);
    expect(one.uniform.map(() => random.uniform())).toEqual(one.uniform);
    for (const expected of one.normal) expect(random.normal()).toBeCloseTo(expected, 13);
    expect(one.integers.map(([bound]) => [bound, random.integer(bound)])).toEqual(one.integers);
    expect(random.shuffle(one.shuffled.map((_, index) => index))).toEqual(one.shuffled);
    expect(random.state().words).toEqual(one.last);
  });
});

describe("properties", () => {
  test("equal seeds give equal streams, other seeds and streams others; 0 is a seed like any other", () => {
    const first = (...key: [number, ...number[]]) => randomFromSeed(...key).uint32();
    expect(first(0)).toBe(first(0));
    const firsts = [first(0), first(1), first(2), first(0, 0), first(0, 1), first(1, 0), first(0, 0, 0)];
    expect(new Set(firsts).size).toBe(firsts.length);
  });

  test("a restored state continues exactly, also through JSON", () => {
    fc.assert(
      fc.property(seeds, fc.nat(50), (seed, draws) => {
        const straight = randomFromSeed(seed);
        for (let draw = 0; draw < draws; draw++) straight.normal();
        const saved = JSON.stringify(straight.state());
        const resumed = randomFromState(JSON.parse(saved) as RandomState);
        for (let draw = 0; draw < 20; draw++) expect(resumed.uniform()).toBe(straight.uniform());
      }),
      { numRuns: 50 },
    );
  });

  test("uniform and integer stay in their ranges", () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 2 ** 32 }), (seed, bound) => {
        const random = randomFromSeed(seed);
        const value = random.integer(bound);
        expect(Number.isInteger(value) && value >= 0 && value < bound).toBe(true);
        const real = random.uniform(-3, 5);
        expect(real >= -3 && real < 5).toBe(true);
      }),
    );
  });

  test("shuffle permutes", () => {
    fc.assert(
      fc.property(seeds, fc.array(fc.nat()), (seed, items) => {
        const shuffled = randomFromSeed(seed).shuffle([...items]);
        expect([...shuffled].sort((a, b) => a - b)).toEqual([...items].sort((a, b) => a - b));
      }),
    );
  });

  test("normal values have mean 0, deviation 1 and the tails of a normal", () => {
    const random = randomFromSeed(5);
    const values = Array.from({ length: 40_000 }, () => random.normal());
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    const beyondTwo = values.filter((value) => Math.abs(value) > 2).length / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.02);
    expect(Math.abs(variance - 1)).toBeLessThan(0.03);
    expect(Math.abs(beyondTwo - 0.0455)).toBeLessThan(0.005);
  });

  test("every order of three items comes up equally often", () => {
    const random = randomFromSeed(11);
    const counts = new Map<string, number>();
    for (let round = 0; round < 12_000; round++) {
      const order = random.shuffle([0, 1, 2]).join("");
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    for (const count of counts.values()) expect(Math.abs(count - 2000)).toBeLessThan(200);
  });
});

describe("bad input", () => {
  test.each([-1, 0.5, Number.NaN, 2 ** 53])("seed %s", (seed) => {
    expect(() => randomFromSeed(seed)).toThrow(/seed of the random generator; expected a whole number/);
    expect(() => randomFromSeed(0, seed)).toThrow(/stream of the random generator/);
  });

  test.each([0, -2, 1.5, 2 ** 32 + 1])("bound %s", (bound) => {
    expect(() => randomFromSeed(0).integer(bound)).toThrow(/bound of a random integer/);
  });

  test.each([
    { algorithm: "xoshiro128**", words: [0, 0, 0, 0] },
    { algorithm: "xoshiro128**", words: [1, 2, 3] },
    { algorithm: "xoshiro128**", words: [1, 2, 3, -4] },
    { algorithm: "xoshiro128**", words: [1, 2, 3, "4"] },
    { algorithm: "xoshiro128**" },
    { algorithm: "other", words: [1, 2, 3, 4] },
    { algorithm: "other".repeat(2000), words: [1, 2, 3, 4] },
  ])("state %j", (state) => {
    expect(() => randomFromState(state as unknown as RandomState)).toThrow(
      /^not a state of the random generator.{1,1000}$/,
    );
  });
});

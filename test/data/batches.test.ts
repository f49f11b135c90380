import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createBatches, microBatches } from "../../src/data/batches.ts";
import type { DataCursor } from "../../src/data/batches.ts";
import { drawKeep, keepAt } from "../../src/data/keep-ratio.ts";
import type { KeepRange } from "../../src/data/keep-ratio.ts";

const lengths = fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 1, maxLength: 60 });
const options = fc.record({
  batchSize: fc.integer({ min: 1, max: 8 }),
  windowBatches: fc.integer({ min: 1, max: 5 }),
  seed: fc.nat(),
});

describe("batches", () => {
  test("every epoch holds every example once, in batches of the asked size but the last of a window", () => {
    fc.assert(
      fc.property(lengths, options, (sizes, chosen) => {
        const stream = createBatches(sizes, chosen);
        for (let epoch = 0; epoch < 2; epoch++) {
          const batches = Array.from({ length: stream.batchesPerEpoch }, () => stream.next());
          expect(batches.every((batch) => batch.epoch === epoch)).toBe(true);
          expect(batches.flatMap((batch) => batch.examples).sort((a, b) => a - b)).toEqual(
            sizes.map((_, index) => index),
          );
          expect(batches.filter((batch) => batch.examples.length !== chosen.batchSize).length).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  test("a restored cursor continues exactly, through JSON and over the ends of epochs", () => {
    fc.assert(
      fc.property(lengths, options, fc.nat(40), (sizes, chosen, taken) => {
        const straight = createBatches(sizes, chosen);
        for (let batch = 0; batch < taken; batch++) straight.next();
        const saved = JSON.stringify(straight.cursor());
        const resumed = createBatches(sizes, { ...chosen, seed: 999 }, JSON.parse(saved) as DataCursor);
        expect(JSON.stringify(resumed.cursor())).toBe(saved);
        for (let batch = 0; batch < 30; batch++) {
          expect(resumed.next()).toEqual(straight.next());
          expect(resumed.cursor()).toEqual(straight.cursor());
        }
      }),
    );
  });

  test("seeds give different orders, 0 and 1 too, and epochs differ", () => {
    const sizes = Array.from({ length: 40 }, (_, index) => index);
    const epoch = (seed: number) => {
      const stream = createBatches(sizes, { batchSize: 4, windowBatches: 2, seed });
      return Array.from({ length: 20 }, () => stream.next().examples.join());
    };
    expect(epoch(0)).toEqual(epoch(0));
    expect(epoch(0)).not.toEqual(epoch(1));
    expect(epoch(0).slice(0, 10)).not.toEqual(epoch(0).slice(10));
  });

  test("a window makes the examples of a batch about equally long", () => {
    const sizes = Array.from({ length: 512 }, (_, index) => (index * 7919) % 500);
    const padding = (windowBatches: number) => {
      const stream = createBatches(sizes, { batchSize: 8, windowBatches, seed: 0 });
      let padded = 0;
      for (let batch = 0; batch < stream.batchesPerEpoch; batch++) {
        const own = stream.next().examples.map((index) => sizes[index] ?? 0);
        padded += own.length * Math.max(...own) - own.reduce((sum, size) => sum + size, 0);
      }
      return padded;
    };
    expect(padding(16)).toBeLessThan(padding(1) / 8);
  });

  test("what cannot be", () => {
    const good = { batchSize: 2, windowBatches: 2, seed: 0 };
    const { random } = createBatches([1, 2, 3], good).cursor();
    expect(() => createBatches([], good)).toThrow("examples: batches; expected at least one");
    expect(() => createBatches([1], { ...good, batchSize: 0 })).toThrow("batchSize");
    expect(() => createBatches([1], { ...good, windowBatches: 1.5 })).toThrow("windowBatches");
    expect(() => createBatches([1, 2, 3], good, { epoch: 0, position: 3, random })).toThrow(
      "the data cursor does not fit the data; expected a position of 0 … 2 batches; got epoch 0, position 3",
    );
    expect(() => createBatches([1], good, { epoch: -1, position: 0, random })).toThrow("does not fit");
  });
});

describe("micro-batches", () => {
  test("pieces keep the order and are full, all but the last", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { minLength: 1 }), fc.integer({ min: 1, max: 9 }), (batch, size) => {
        const pieces = microBatches(batch, size);
        expect(pieces.flat()).toEqual(batch);
        expect(pieces.slice(0, -1).every((piece) => piece.length === size)).toBe(true);
        expect(pieces.at(-1)?.length).toBeGreaterThan(0);
        expect(pieces.at(-1)?.length).toBeLessThanOrEqual(size);
      }),
    );
    expect(() => microBatches([], 1)).toThrow("batch");
    expect(() => microBatches([1], 0)).toThrow("micro-batch size");
  });
});

describe("kept parts", () => {
  const paper: KeepRange = { distribution: "log-uniform", low: 0.001, high: 0.8 };
  const draws = (range: KeepRange, seed = 0) =>
    Array.from({ length: 4000 }, (_, index) => drawKeep(range, seed, 0, index));

  test("lie in the range and depend on seed, epoch and example only", () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.nat(1000),
        fc.nat(),
        fc.constantFrom("uniform", "log-uniform"),
        (seed, epoch, example, distribution) => {
          const keep = drawKeep({ ...paper, distribution }, seed, epoch, example);
          expect(keep).toBeGreaterThanOrEqual(paper.low);
          expect(keep).toBeLessThanOrEqual(paper.high);
          expect(drawKeep({ ...paper, distribution }, seed, epoch, example)).toBe(keep);
        },
      ),
    );
    const others = [
      drawKeep(paper, 0, 0, 0),
      drawKeep(paper, 1, 0, 0),
      drawKeep(paper, 0, 1, 0),
      drawKeep(paper, 0, 0, 1),
    ];
    expect(new Set(others).size).toBe(4);
  });

  test("log-uniform gives each factor the same share, uniform each percent", () => {
    const middle = Math.sqrt(paper.low * paper.high);
    const below = draws(paper).filter((keep) => keep < middle).length / 4000;
    expect(Math.abs(below - 0.5)).toBeLessThan(0.03);
    const even = draws({ ...paper, distribution: "uniform" });
    expect(Math.abs(even.reduce((sum, keep) => sum + keep, 0) / 4000 - 0.4005)).toBeLessThan(0.015);
  });

  test("the ends, and a range of one value", () => {
    expect(keepAt(paper, 0)).toBe(0.001);
    expect(keepAt(paper, 1)).toBe(0.8);
    expect(drawKeep({ distribution: "log-uniform", low: 0.25, high: 0.25 }, 5, 5, 5)).toBe(0.25);
  });

  test.each([
    [0, 0.5],
    [0.5, 0.2],
    [0.1, 1.1],
    [Number.NaN, 1],
  ])("%s … %s is refused", (low, high) => {
    expect(() => keepAt({ distribution: "uniform", low, high }, 0.5)).toThrow("range of the kept part");
  });
});

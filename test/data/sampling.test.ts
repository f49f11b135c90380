import fc from "fast-check";
import { expect, test } from "vitest";
import { createDeduplicator } from "../../src/data/prepare/deduplicate.ts";
import { Fingerprints } from "../../src/data/prepare/fingerprints.ts";
import { mixtureShares } from "../../src/data/prepare/mixture.ts";
import { preparedRows, startInputReports } from "../../src/data/prepare/prepared-rows.ts";
import { Reservoir } from "../../src/data/prepare/reservoir.ts";
import type { Source, SourceRow } from "../../src/data/sources/source.ts";
import { randomFromSeed } from "../../src/util/random.ts";
import { all } from "./temp-file.ts";

const row = (id: string, context = id, question = "?"): SourceRow => ({
  id,
  source: "made",
  licence: "none",
  context,
  question,
  answers: ["x"],
  place: { file: "made", line: 1 },
});

/** A text whose characters are all there; a repeated one would be a few pointers. */
const flatText = (length: number, code: number): string => Buffer.alloc(length, code).toString("latin1");

/** A source that makes its rows up: its path is their count. */
const counting = (name: string, onMade: () => void = () => undefined): Source => ({
  name,
  description: "",
  split: "",
  format: "",
  licence: "none",
  // eslint-disable-next-line @typescript-eslint/require-await -- a source reads files
  async *read(path) {
    for (let i = 0; i < Number(path); i++) {
      onMade();
      yield row(`${name}${i}`);
    }
  },
});

test("every item of a stream is drawn equally often, by place and by pair", () => {
  const [items, capacity, rounds] = [12, 4, 6000];
  const drawn = new Array<number>(items).fill(0);
  const together = new Array<number>(items - 1).fill(0);
  for (let round = 0; round < rounds; round++) {
    const reservoir = new Reservoir<number>(capacity, randomFromSeed(round));
    for (let item = 0; item < items; item++) reservoir.offer(item);
    const sample = reservoir.sample();
    expect(sample).toEqual([...sample].sort((a, b) => a - b));
    expect(new Set(sample).size).toBe(capacity);
    for (const item of sample) drawn[item] = (drawn[item] ?? 0) + 1;
    for (let i = 0; i + 1 < items; i++)
      if (sample.includes(i) && sample.includes(i + 1)) together[i] = (together[i] ?? 0) + 1;
  }
  // Chi-squared below its 0.9999 quantile: 38.1 for 11 degrees of freedom, 36 or so for pairs. Seeds are fixed.
  const chi = (counts: readonly number[], expected: number): number =>
    counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
  expect(chi(drawn, (rounds * capacity) / items)).toBeLessThan(38);
  expect(chi(together, (rounds * capacity * (capacity - 1)) / (items * (items - 1)))).toBeLessThan(38);
});

test("a reservoir holds no more than it gives, whatever passes through", () => {
  const reservoir = new Reservoir<number>(50, randomFromSeed(1));
  for (let item = 0; item < 100_000; item++) {
    reservoir.offer(item);
    if (reservoir.size > 50) throw new Error(`${reservoir.size} held`);
  }
  expect(reservoir.offered).toBe(100_000);
  expect(reservoir.sample()).toHaveLength(50);
  expect(reservoir.sample(7)).toHaveLength(7);
});

test("sampling a stream of large rows keeps memory at the sample's size", async () => {
  const gc = globalThis.gc;
  const rows = 4000;
  let peak = 0;
  const large: Source = {
    ...counting("large"),
    async *read() {
      for (let i = 0; i < rows; i++) {
        // 200 kB of text each: 800 MB in all.
        yield row(`r${i}`, flatText(200_000, 97 + (i % 26)) + String(i));
        if (i % 100 === 0) {
          await new Promise((resolve) => setImmediate(resolve));
          gc?.();
          peak = Math.max(peak, process.memoryUsage().heapUsed);
        }
      }
    },
  };
  const before = process.memoryUsage().heapUsed;
  const inputs = startInputReports([{ source: large, path: "x" }]);
  const sample = await all(preparedRows({ inputs, seed: 0, maxRows: 20, deduplicate: "none" }));
  expect(sample).toHaveLength(20);
  expect(inputs[0]).toMatchObject({ read: rows, kept: 20 });
  expect(peak - before).toBeLessThan(400e6);
});

test("shares have the weights' proportions to less than a row, and never pass what there is", () => {
  const sources = fc.array(fc.record({ rows: fc.nat(5000), weight: fc.integer({ min: 1, max: 50 }) }), {
    minLength: 1,
    maxLength: 6,
  });
  fc.assert(
    fc.property(sources, fc.integer({ min: 1, max: 20_000 }), (given, most) => {
      const available = given.map(({ rows }) => rows);
      const weights = given.map(({ weight }) => weight);
      const shares = mixtureShares(available, weights, most);
      const sum = weights.reduce((a, b) => a + b, 0);
      const whole = Math.min(most, ...given.map(({ rows, weight }) => (rows * sum) / weight));
      for (const [i, share] of shares.entries()) {
        expect(share).toBeLessThanOrEqual(available[i] ?? 0);
        expect(Math.abs(share - (whole * (weights[i] ?? 0)) / sum)).toBeLessThan(1 + 1e-6);
      }
      expect(shares.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(most);
    }),
  );
  expect(mixtureShares([100, 100], [2, 1], 60)).toEqual([40, 20]);
  expect(mixtureShares([100, 7], [2, 1], 60)).toEqual([14, 7]);
  expect(mixtureShares([1000, 1000, 1000], [1, 1, 1], 100)).toEqual([34, 33, 33]);
});

test("a mixture has its weights, its seed decides which rows, and all that is left out is counted", async () => {
  const mix = async (seed: number): Promise<{ ids: string[]; left: object[] }> => {
    const inputs = startInputReports([
      { source: counting("a"), path: "300" },
      { source: counting("b"), path: "50" },
    ]);
    const rows = await all(preparedRows({ inputs, seed, maxRows: 90, weights: [2, 1], deduplicate: "question" }));
    return {
      ids: rows.map(({ id }) => id),
      left: inputs.map(({ read, kept, report }) => ({ read, kept, ...report.counts() })),
    };
  };
  const first = await mix(0);
  expect(first.left).toEqual([
    { read: 300, kept: 60, "not-sampled": 240 },
    { read: 50, kept: 30, "not-sampled": 20 },
  ]);
  expect(await mix(0)).toEqual(first);
  expect((await mix(1)).ids).not.toEqual(first.ids);
});

test("without a number of rows they stream, none waiting for another", async () => {
  let made = 0;
  const inputs = startInputReports([{ source: counting("s", () => made++), path: "1000" }]);
  for await (const { id } of preparedRows({ inputs, seed: 0, deduplicate: "question" })) {
    if (id === "s10") break;
  }
  expect(made).toBe(11);
});

test("a stopped preparation says so", async () => {
  const inputs = startInputReports([{ source: counting("s"), path: "3" }]);
  const rows = all(preparedRows({ inputs, seed: 0, deduplicate: "none", signal: AbortSignal.abort() }));
  await expect(rows).rejects.toMatchObject({ code: "cancelled" });
});

test("duplicates differ in white space, case and spelling of accents only", () => {
  const isDuplicate = createDeduplicator("question");
  expect(isDuplicate(row("1", "A café by  the river", "Who?"))).toBe(false);
  expect(isDuplicate(row("2", " a CAFE\u0301 by\nthe river ", "who?"))).toBe(true);
  expect(isDuplicate(row("3", "A café by the river", "Who!"))).toBe(false);
  expect(isDuplicate(row("4", "A café by the riverwho?", ""))).toBe(false);
  const byContext = createDeduplicator("context");
  expect([row("1", "x", "a"), row("2", "X", "b"), row("3", "y", "a")].map(byContext)).toEqual([false, true, false]);
  expect(createDeduplicator("none")(row("1"))).toBe(false);
});

test("fingerprints are a map, however many there are", () => {
  const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(word, fc.nat(3), fc.integer({ min: 1, max: 65_535 })), { maxLength: 3000 }),
      (given) => {
        const known = new Map<string, number>();
        const prints = new Fingerprints();
        for (const [low, high, value] of given) {
          expect(prints.add({ low, high }, value)).toBe(!known.has(`${low} ${high}`));
          if (!known.has(`${low} ${high}`)) known.set(`${low} ${high}`, value);
        }
        expect(prints.size).toBe(known.size);
        for (const [low, high] of given) expect(prints.get({ low, high })).toBe(known.get(`${low} ${high}`));
        expect(prints.get({ low: 5, high: 9 })).toBe(0);
      },
    ),
    { numRuns: 30 },
  );
});

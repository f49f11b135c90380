import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ADAPTER_SELECTIONS } from "../../src/cache/adapter.ts";
import { CompressionContext } from "../../src/compress/context.ts";
import { attachAdapter } from "../../src/compress/loaded-adapter.ts";
import type { CompressedRows } from "../../src/compress/method.ts";
import { kvDistill } from "../../src/compress/methods/kv-distill.ts";
import { standIn } from "../../src/compress/rest-rows.ts";
import { headEntries } from "../../src/compress/rows.ts";
import { headsOf } from "../../src/models/host-layer.ts";
import { randomFromSeed } from "../../src/util/random.ts";
import { someIds, tinyAdapter, useTinyModel } from "./tiny.ts";

const HEAD_DIM = 8;

/** Rows and queries with means of their own, as those of a model's heads have. */
function someHead(
  seed: number,
  rows: number,
  heads: number,
): { readonly keys: Float32Array; readonly values: Float32Array; readonly queries: Float64Array[] } {
  const random = randomFromSeed(seed);
  const normal = (): number => random.normal();
  const query = Float64Array.from({ length: HEAD_DIM }, normal);
  return {
    keys: Float32Array.from({ length: rows * HEAD_DIM }, normal),
    values: Float32Array.from({ length: rows * HEAD_DIM }, normal),
    queries: Array.from({ length: heads }, () => query.map((value) => value + 0.5 * normal())),
  };
}

const product = (query: Float64Array, key: ArrayLike<number>): number =>
  query.reduce((sum, value, d) => sum + value * (key[d] ?? 0), 0);

/** What a query takes from rows, their keys by the same weights, and the logarithm of the weight that it gives them. */
function attend(
  query: Float64Array,
  rows: readonly { readonly key: ArrayLike<number>; readonly value: ArrayLike<number> }[],
): { readonly weight: number; readonly taken: Float64Array; readonly keys: Float64Array } {
  const weights = rows.map(({ key }) => Math.exp(product(query, key)));
  const sum = weights.reduce((a, b) => a + b, 0);
  const mean = (pick: "key" | "value"): Float64Array =>
    Float64Array.from({ length: HEAD_DIM }, (_, d) =>
      rows.reduce((all, row, i) => all + ((weights[i] ?? 0) / sum) * (row[pick][d] ?? 0), 0),
    );
  return { weight: Math.log(sum), taken: mean("value"), keys: mean("key") };
}

const rowsOf = ({ keys, values }: { keys: Float32Array; values: Float32Array }, tokens: Iterable<number>) =>
  Array.from(tokens, (token) => ({
    key: keys.subarray(token * HEAD_DIM, (token + 1) * HEAD_DIM),
    value: values.subarray(token * HEAD_DIM, (token + 1) * HEAD_DIM),
  }));

const far = (a: Float64Array, b: Float64Array): number => Math.hypot(...a.map((value, d) => value - (b[d] ?? 0)));

describe("a row that stands for others", () => {
  test("gets nearly the weight that the queries give them all; what is missing is the ridge's part", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 4 }), (seed, count, heads) => {
        const head = someHead(seed, count, heads);
        const tokens = Int32Array.from({ length: count }, (_, i) => i);
        const { key } = standIn(head, tokens, head.queries);
        const seen = head.queries.map((query) => attend(query, rowsOf(head, tokens)));
        const mean = Float64Array.from({ length: HEAD_DIM }, (_, d) =>
          seen.reduce((sum, { keys }) => sum + (keys[d] ?? 0) / heads, 0),
        );
        const lacks = head.queries.map((query, h) => (seen[h]?.weight ?? 0) - product(query, mean));
        const misses = head.queries.map((query, h) => (seen[h]?.weight ?? 0) - product(query, key));
        expect(Math.hypot(...misses)).toBeLessThanOrEqual(Math.hypot(...lacks) + 1e-9);
        if (heads === 1) expect(misses[0]).toBeCloseTo(((lacks[0] ?? 0) * 0.05) / 1.05, 6);
      }),
    );
  });

  test("gives one query what the others would have given it", () => {
    const ratios: number[] = [];
    for (let seed = 0; seed < 50; seed++) {
      const head = someHead(seed, 100, 1);
      const [query = new Float64Array()] = head.queries;
      const kept = rowsOf(head, Array(10).keys());
      const dropped = Int32Array.from({ length: 90 }, (_, i) => 10 + i);
      const all = attend(query, rowsOf(head, Array(100).keys())).taken;
      const without = far(attend(query, kept).taken, all);
      const withIt = far(attend(query, [...kept, standIn(head, dropped, head.queries)]).taken, all);
      ratios.push(withIt / without);
    }
    expect(Math.max(...ratios)).toBeLessThan(0.5);
  });

  test("stands for one as that one, and for equal ones as their sum", () => {
    const head = someHead(3, 1, 2);
    const alone = standIn(head, Int32Array.of(0), head.queries);
    expect([...alone.key].map(Math.fround)).toEqual([...head.keys]);
    expect([...alone.value].map(Math.fround)).toEqual([...head.values]);

    const [query = new Float64Array()] = head.queries;
    const three = standIn(head, Int32Array.of(0, 0, 0), [query]);
    expect(product(query, three.key) - product(query, head.keys)).toBeCloseTo(Math.log(3) / 1.05, 6);
    expect([...three.value].map(Math.fround)).toEqual([...head.values]);
  });
});

describe.each(["llama", "gpt2"])("kv-distill on a tiny %s", (name) => {
  const { model } = useTinyModel(name);
  const ids = someIds(56);
  const [SINKS, COUNT] = [3, 50];

  async function compressed(
    selection: (typeof ADAPTER_SELECTIONS)[number],
    restRows: number,
    count = COUNT,
  ): Promise<CompressedRows> {
    const adapter = await attachAdapter(model(), tinyAdapter(model(), { selection, restRows, sinks: SINKS }));
    try {
      const context = new CompressionContext(model(), ids);
      return await kvDistill(adapter).compress({ context, count, sinks: SINKS, seed: 0 });
    } finally {
      adapter.release();
    }
  }

  test.each(ADAPTER_SELECTIONS)(
    "%s: the lowest scores give their rows, one in 32; tokens and counts stay",
    async (selection) => {
      const [plain, own] = [await compressed(selection, 0), await compressed(selection, 4)];
      expect(own.positions).toEqual(plain.positions);
      expect(own.scores).toEqual(plain.scores);
      const { config } = model();
      let given = 0;
      for (const [i, layer] of own.layers.entries()) {
        const before = headsOf(plain.layers[i] ?? layer, config);
        const scores = headEntries(own.scores ?? [], i, config.numKvHeads);
        for (const [head, { keys }] of headsOf(layer, config).entries()) {
          const { headDim } = config;
          const rows = keys.length / headDim;
          const changed = Array.from({ length: rows }, (_, slot) => slot).filter((slot) =>
            keys
              .subarray(slot * headDim, (slot + 1) * headDim)
              .some((value, d) => value !== before[head]?.keys[slot * headDim + d]),
          );
          const room = rows === ids.length ? 0 : Math.floor((rows - SINKS) / 32);
          expect(changed.length).toBe(room);
          given += changed.length;
          const lowest = Math.min(...(scores[head]?.subarray(SINKS) ?? []));
          for (const slot of changed) expect(scores[head]?.[slot]).toBe(lowest);
        }
      }
      expect(given).toBeGreaterThan(0);
    },
  );

  test("where all is kept nothing stands for anything; so few rows give none away", async () => {
    for (const count of [ids.length, 20]) {
      expect((await compressed("per-head", 4, count)).layers).toEqual((await compressed("per-head", 0, count)).layers);
    }
  });
});

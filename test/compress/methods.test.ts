import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Adapter, ADAPTER_SELECTIONS, type AdapterSelection } from "../../src/cache/adapter.ts";
import { compressIds } from "../../src/compress/compress.ts";
import { CompressionContext } from "../../src/compress/context.ts";
import { joinParts } from "../../src/compress/join-rows.ts";
import { attachAdapter, type LoadedAdapter } from "../../src/compress/loaded-adapter.ts";
import type { CompressedRows, CompressionMethod } from "../../src/compress/method.ts";
import {
  METHOD_NAMES,
  methodNamed,
  QUESTION_AWARE_METHOD_NAMES,
  SAVED_METHOD_NAMES,
} from "../../src/compress/methods/index.ts";
import { layerCounts } from "../../src/compress/methods/pyramidkv.ts";
import { headEntries } from "../../src/compress/rows.ts";
import { headsOf, heldRows, rowCountsOf } from "../../src/models/host-layer.ts";
import { LayerCache } from "../../src/models/layer-cache.ts";
import { distance, logitsAfter, someIds, tinyAdapter, useTinyModel, withoutUpdates } from "./tiny.ts";

const TOKENS = 23;
const SINKS = 3;
const tiny = useTinyModel("llama");
const ids = someIds(TOKENS);
const questionIds = someIds(9).reverse();
const UNBUDGETED: Readonly<Record<string, number>> = { full: TOKENS, none: SINKS };
/** Their window is a part of the budget: another budget asks other tokens. */
const BUDGETED_WINDOW = ["snapkv", "pyramidkv"];

let adapters: Record<AdapterSelection, LoadedAdapter>;
let unchanged: Record<AdapterSelection, LoadedAdapter>;
beforeAll(async () => {
  const model = tiny.model();
  const attached = async (change: (adapter: Adapter) => Adapter) => ({
    shared: await attachAdapter(model, change(tinyAdapter(model, { selection: "shared" }))),
    "per-head": await attachAdapter(model, change(tinyAdapter(model, { selection: "per-head" }))),
    "across-heads": await attachAdapter(model, change(tinyAdapter(model, { selection: "across-heads" }))),
  });
  adapters = await attached((adapter) => adapter);
  unchanged = await attached(withoutUpdates);
});
afterAll(() => {
  for (const adapter of [...Object.values(adapters), ...Object.values(unchanged)]) adapter.release();
});

/** Every method there is, kv-distill with each of its selections. A new method joins by being listed in methods/index.ts. */
const ALL: readonly Listed[] = [...METHOD_NAMES, ...QUESTION_AWARE_METHOD_NAMES].flatMap((name): Listed[] =>
  name === "kv-distill"
    ? ADAPTER_SELECTIONS.map((selection) => ({ title: `${name}, ${selection}`, name, selection }))
    : [{ title: name, name, selection: undefined }],
);

interface Listed {
  readonly title: string;
  readonly name: string;
  readonly selection: AdapterSelection | undefined;
}

function methodOf({ name, selection }: Listed, from = adapters): CompressionMethod {
  return methodNamed(name, selection === undefined ? undefined : from[selection]);
}

function compress(method: CompressionMethod, count: number, seed = 5, position = 0): Promise<CompressedRows> {
  const context = new CompressionContext(tiny.model(), ids, { position });
  const asked = method.questionAware === true ? { questionIds } : {};
  return method.compress({ context, count, sinks: SINKS, seed, ...asked });
}

describe.each(ALL)("every method: $title", (one) => {
  test.each([SINKS + 1, 10, TOKENS])(
    "obtains exactly %i rows in every layer and head, sinks among them",
    async (count) => {
      const { numLayers, numKvHeads } = tiny.model().config;
      const method = methodOf(one);
      const { layers, positions, scores } = await compress(method, count);
      const expected = UNBUDGETED[one.name] ?? count;
      expect(layers.length).toBe(numLayers);
      for (const [i, layer] of layers.entries()) {
        const rows = headEntries(positions, i, numKvHeads).map(({ length }) => length);
        expect(rowCountsOf(layer, tiny.model().config)).toEqual(rows);
        expect(layer.values.length).toBe(layer.keys.length);
        expect(layer.keys.every(Number.isFinite) && layer.values.every(Number.isFinite)).toBe(true);
      }
      expect([1, numLayers * numKvHeads]).toContain(positions.length);
      // Ragged methods share the budget out among layers and heads, and use all of it.
      expect(positions.reduce((sum, kept) => sum + kept.length, 0)).toBe(expected * positions.length);
      for (const kept of positions) {
        if (method.ragged !== true) expect(kept.length).toBe(expected);
        expect([...kept.subarray(0, SINKS)]).toEqual([0, 1, 2]);
        expect(new Set(kept).size).toBe(kept.length);
        expect([...kept]).toEqual([...kept].sort((a, b) => a - b));
        expect(kept.at(-1)).toBeLessThan(TOKENS);
      }
      if (scores !== undefined)
        expect(scores.map(({ length }) => length)).toEqual(positions.map(({ length }) => length));
    },
  );

  test("the same seed gives the same rows", async () => {
    expect(await compress(methodOf(one), 9)).toEqual(await compress(methodOf(one), 9));
  });

  test("another budget on the same context gives what it gives alone, and reads only what depends on it", async () => {
    const model = tiny.model();
    const method = methodOf(one);
    const context = new CompressionContext(model, ids);
    const asked = method.questionAware === true ? { questionIds } : {};
    await method.compress({ context, count: 9, sinks: SINKS, seed: 5, ...asked });
    const steps = vi.spyOn(model, "step");
    const after = await method.compress({ context, count: 12, sinks: SINKS, seed: 5, ...asked });
    const again = steps.mock.calls.length;
    steps.mockRestore();
    expect(after).toEqual(await compress(method, 12));
    // They encode, or cut, for one budget.
    const own = [...BUDGETED_WINDOW, "kv-distill", "truncated"].includes(one.name) || method.questionAware === true;
    if (!own) expect(again).toBe(0);
  });

  test("another seed gives other rows to a method that draws, the same to the others", async () => {
    const [here, there] = [await compress(methodOf(one), 9, 5), await compress(methodOf(one), 9, 6)];
    if (one.name === "random") expect(there.positions).not.toEqual(here.positions);
    else expect(there).toEqual(here);
  });

  test("keeping everything is the full cache, by an adapter that changes nothing", async () => {
    const method = methodOf(one, unchanged);
    const whole = await compress(methodNamed("full", undefined), TOKENS);
    const { layers } = await compress(method, TOKENS);
    layers.forEach((layer, i) => {
      const full = whole.layers[i];
      if (full === undefined || one.name === "none") return;
      expect(distance(layer.keys, full.keys)).toBeLessThan(1e-5);
      expect(distance(layer.values, full.values)).toBeLessThan(1e-5);
    });
    if (one.name === "none") expect(heldRows(layers, tiny.model().config)).toBe(SINKS);
  });

  test("everything kept is the full reading, number by number, unless the method says that it reads for itself", async () => {
    const method = methodOf(one);
    if (method.ownReading === true || one.name === "none") return;
    const whole = await compress(methodNamed("full", undefined), TOKENS);
    expect((await compress(method, TOKENS)).layers).toEqual(whole.layers);
  });

  test("rows are the full cache's at the kept positions, wherever the context stands", async () => {
    const { numKvHeads, headDim } = tiny.model().config;
    for (const position of [0, 11]) {
      const whole = await compress(methodNamed("full", undefined), TOKENS, 5, position);
      const { layers, positions } = await compress(methodOf(one, unchanged), 9, 5, position);
      layers.forEach((layer, i) => {
        const heads = headsOf(layer, tiny.model().config);
        headEntries(positions, i, numKvHeads).forEach((kept, head) => {
          kept.forEach((at, slot) => {
            const full = whole.layers[i];
            const row = (all: Float32Array | undefined, start: number): Float32Array =>
              all?.subarray(start * headDim, (start + 1) * headDim) ?? new Float32Array();
            const from = head * TOKENS + at;
            expect(distance(row(heads[head]?.values, slot), row(full?.values, from))).toBeLessThan(1e-4);
            // A cut text stands elsewhere, so that its keys are turned otherwise: it has a test of its own.
            if (one.name === "truncated") return;
            expect(distance(row(heads[head]?.keys, slot), row(full?.keys, from))).toBeLessThan(1e-4);
          });
        });
      });
    }
  });

  test("is stopped by its signal", async () => {
    const context = new CompressionContext(tiny.model(), ids, { signal: AbortSignal.abort() });
    const stopped = methodOf(one).compress({ context, count: 9, sinks: SINKS, seed: 5, questionIds });
    await expect(stopped).rejects.toThrow(expect.objectContaining({ code: "cancelled" }) as Error);
  });

  test.skipIf(BUDGETED_WINDOW.includes(one.name))(
    "the budget does not change the order: rows of a small one are in a larger one",
    async () => {
      const [small, large] = [await compress(methodOf(one), 6), await compress(methodOf(one), 12)];
      small.positions.forEach((kept, i) => {
        const more = new Set(large.positions[i]);
        expect(kept.every((position) => more.has(position))).toBe(true);
      });
    },
  );
});

test("an adapter that changes something changes the rows", async () => {
  const whole = await compress(methodNamed("full", undefined), TOKENS);
  const { layers } = await compress(methodNamed("kv-distill", adapters.shared), TOKENS);
  const full = whole.layers[1];
  expect(distance(layers[1]?.keys ?? new Float32Array(), full?.keys ?? new Float32Array())).toBeGreaterThan(1e-3);
});

test("unknown names, and kv-distill without an adapter, are refused", () => {
  expect(() => methodNamed("h3o", undefined)).toThrow(/no such method; expected full, none/);
  expect(() => methodNamed("kv-distill", undefined)).toThrow(/--adapter/);
});

test("stretches whose heads keep different numbers of rows are joined head by head", () => {
  const config = { numLayers: 1, numKvHeads: 2, headDim: 1 };
  const stretch = (first: number, rowCounts: readonly number[]): CompressedRows => {
    const positions = rowCounts.map((count) => Int32Array.from({ length: count }, (_, i) => first + i));
    const rows = Float32Array.from(
      rowCounts.flatMap((count, head) => Array.from({ length: count }, (_, i) => first + 5 * head + i)),
    );
    return { layers: [{ keys: rows, values: rows, rowCounts }], positions };
  };
  const { layers, positions } = joinParts([stretch(10, [2, 1]), stretch(20, [1, 2])], config);
  const joined = Float32Array.of(10, 11, 20, 15, 25, 26);
  expect(layers).toEqual([{ keys: joined, values: joined }]);
  expect(positions.map((own) => [...own])).toEqual([
    [10, 11, 20],
    [10, 20, 21],
  ]);
  const [ragged] = joinParts([stretch(10, [2, 0]), stretch(20, [1, 2])], config).layers;
  expect(ragged?.rowCounts).toEqual([3, 2]);
  expect([...(ragged?.keys ?? [])]).toEqual([10, 11, 20, 25, 26]);
});

test("rows that were chosen by a question are never saved", async () => {
  expect(SAVED_METHOD_NAMES).toEqual(METHOD_NAMES);
  for (const name of QUESTION_AWARE_METHOD_NAMES) {
    const refused = compressIds(tiny.model(), ids, {
      method: methodNamed(name, undefined),
      keep: { kind: "fraction", value: 0.5 },
    });
    await expect(refused).rejects.toThrow(/for evaluation/);
  }
});

test("truncated: what is asked follows the cut text as if there were no more", async () => {
  const model = tiny.model();
  const { layers } = await compress(methodNamed("truncated", undefined), 9);
  const cache = await LayerCache.from(model.runtime, model.config, layers, TOKENS);
  const got = await model.forward({ ids: questionIds, cache, logitRows: [questionIds.length - 1] });
  cache.release();
  const short = await logitsAfter(model, ids.slice(0, 9), questionIds);
  const wanted = short.subarray((questionIds.length - 1) * model.config.vocabSize);
  expect(distance(got.data, wanted)).toBeLessThan(1e-4);
});

test("methods that know the question choose by it, and refuse to choose without", async () => {
  for (const name of QUESTION_AWARE_METHOD_NAMES) {
    const method = methodNamed(name, undefined);
    const request = { context: new CompressionContext(tiny.model(), ids), count: 9, sinks: SINKS, seed: 0 };
    const one = await method.compress({ ...request, questionIds });
    const other = await method.compress({ ...request, questionIds: someIds(7) });
    expect(one.positions).not.toEqual(other.positions);
    await expect(method.compress(request)).rejects.toThrow(/was given none/);
  }
});

test("attention is computed for methods that ask for it, once", async () => {
  const model = tiny.model();
  const asked = vi.spyOn(model, "attentionReceived");
  const context = new CompressionContext(model, ids);
  const request = { context, count: 9, sinks: SINKS, seed: 0 };
  for (const name of ["full", "none", "random", "streaming", "truncated", "knorm", "keydiff", "expected-attention"]) {
    await methodNamed(name, undefined).compress(request);
  }
  expect(asked).not.toHaveBeenCalled();
  for (const name of ["h2o", "h2o", "snapkv", "pyramidkv", "tova"])
    await methodNamed(name, undefined).compress(request);
  expect(asked).toHaveBeenCalledTimes(3);
  asked.mockRestore();
});

test("layers of a pyramid share the budget exactly, none below the least, each at least its next", () => {
  const request = fc
    .record({ numLayers: fc.integer({ min: 1, max: 40 }), tokens: fc.integer({ min: 2, max: 5000 }) })
    .chain(({ numLayers, tokens }) =>
      fc
        .record({ count: fc.integer({ min: 1, max: tokens }), least: fc.integer({ min: 1, max: tokens }) })
        .map(({ count, least }) => ({ numLayers, tokens, count, least: Math.min(count, least) })),
    );
  fc.assert(
    fc.property(request, (given) => {
      const counts = layerCounts(given);
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(given.numLayers * given.count);
      expect(counts).toEqual([...counts].sort((a, b) => b - a));
      expect(Math.min(...counts)).toBeGreaterThanOrEqual(given.least);
      expect(Math.max(...counts)).toBeLessThanOrEqual(given.tokens);
    }),
  );
});

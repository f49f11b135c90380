import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CompressionContext } from "../../src/compress/context.ts";
import { attachAdapter, type LoadedAdapter } from "../../src/compress/loaded-adapter.ts";
import type { CompressedRows, CompressionMethod } from "../../src/compress/method.ts";
import { METHOD_NAMES, methodNamed } from "../../src/compress/methods/index.ts";
import type { HostLayer } from "../../src/models/layer-cache.ts";
import { distance, someIds, tinyAdapter, useTinyModel, withoutUpdates } from "./tiny.ts";

const TOKENS = 23;
const SINKS = 3;
const tiny = useTinyModel("llama");
const ids = someIds(TOKENS);
const UNBUDGETED: Readonly<Record<string, number>> = { full: TOKENS, none: SINKS };

let adapters: Record<"shared" | "per-head", LoadedAdapter>;
let unchanged: Record<"shared" | "per-head", LoadedAdapter>;
beforeAll(async () => {
  const model = tiny.model();
  const make = (selection: "shared" | "per-head") => tinyAdapter(model, { selection });
  adapters = {
    shared: await attachAdapter(model, make("shared")),
    "per-head": await attachAdapter(model, make("per-head")),
  };
  unchanged = {
    shared: await attachAdapter(model, withoutUpdates(make("shared"))),
    "per-head": await attachAdapter(model, withoutUpdates(make("per-head"))),
  };
});
afterAll(() => {
  for (const adapter of [...Object.values(adapters), ...Object.values(unchanged)]) adapter.release();
});

/** Every method there is, kv-distill with each of its selections. A new method joins by being listed in METHOD_NAMES. */
const ALL: readonly Listed[] = METHOD_NAMES.flatMap((name): Listed[] =>
  name === "kv-distill"
    ? (["shared", "per-head"] as const).map((selection) => ({ title: `${name}, ${selection}`, name, selection }))
    : [{ title: name, name, selection: undefined }],
);

interface Listed {
  readonly title: string;
  readonly name: string;
  readonly selection: "shared" | "per-head" | undefined;
}

function methodOf({ name, selection }: Listed, from = adapters): CompressionMethod {
  return methodNamed(name, selection === undefined ? undefined : from[selection]);
}

function compress(method: CompressionMethod, count: number, seed = 5): Promise<CompressedRows> {
  const context = new CompressionContext(tiny.model(), ids);
  return method.compress({ context, count, sinks: SINKS, seed });
}

function slotsOf({ keys }: HostLayer): number {
  const { numKvHeads, headDim } = tiny.model().config;
  return keys.length / (numKvHeads * headDim);
}

describe.each(ALL)("every method: $title", (one) => {
  test.each([SINKS + 1, 10, TOKENS])(
    "obtains exactly %i rows in every layer and head, sinks among them",
    async (count) => {
      const { numLayers, numKvHeads } = tiny.model().config;
      const { layers, positions, scores } = await compress(methodOf(one), count);
      const expected = UNBUDGETED[one.name] ?? count;
      expect(layers.length).toBe(numLayers);
      for (const layer of layers) {
        expect(slotsOf(layer)).toBe(expected);
        expect(layer.values.length).toBe(layer.keys.length);
        expect(layer.keys.every(Number.isFinite) && layer.values.every(Number.isFinite)).toBe(true);
      }
      expect([1, numLayers * numKvHeads]).toContain(positions.length);
      for (const kept of positions) {
        expect(kept.length).toBe(expected);
        expect([...kept.subarray(0, SINKS)]).toEqual([0, 1, 2]);
        expect(new Set(kept).size).toBe(expected);
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
    if (one.name === "none")
      expect(slotsOf(layers[0] ?? { keys: new Float32Array(), values: new Float32Array() })).toBe(SINKS);
  });

  test("what is kept is chosen without the question and the budget: rows of a small budget are in a larger one", async () => {
    const [small, large] = [await compress(methodOf(one), 6), await compress(methodOf(one), 12)];
    small.positions.forEach((kept, i) => {
      const more = new Set(large.positions[i]);
      expect(kept.every((position) => more.has(position))).toBe(true);
    });
  });
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

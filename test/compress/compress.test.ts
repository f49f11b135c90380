import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { isPerHead, isRaggedCache, type KvCache, mostRowsOf, positionsOf, slotsOf } from "../../src/cache/kv-cache.ts";
import { loadKvd } from "../../src/cache/load-kvd.ts";
import { saveKvd } from "../../src/cache/save-kvd.ts";
import { compressIds, type CompressOptions, type CompressProgress } from "../../src/compress/compress.ts";
import { attachAdapter } from "../../src/compress/loaded-adapter.ts";
import { methodNamed, SAVED_METHOD_NAMES } from "../../src/compress/methods/index.ts";
import { generate } from "../../src/generate/generate.ts";
import { contextLimit } from "../../src/models/config.ts";
import { allRowCounts, headsOf, type HostLayer } from "../../src/models/host-layer.ts";
import { LayerCache } from "../../src/models/layer-cache.ts";
import type { LanguageModel } from "../../src/models/language-model.ts";
import { distance, logitsAfter, logitsOn, someIds, tinyAdapter, useTinyModel, withoutUpdates } from "./tiny.ts";

const code = (name: string): Error => expect.objectContaining({ code: name }) as Error;
const everything = { kind: "fraction", value: 1 } as const;
const half = { kind: "fraction", value: 0.5 } as const;
const context = someIds(40);
const question = someIds(9).reverse();

/** Methods that need no adapter and obey a budget. */
const PLAIN = SAVED_METHOD_NAMES.filter((name) => !["kv-distill", "full", "none"].includes(name));

const RAGGED = PLAIN.filter((name) => methodNamed(name, undefined).ragged === true);

const run = (model: LanguageModel, name: string, options: Partial<CompressOptions> = {}, ids = context) =>
  compressIds(model, ids, { method: methodNamed(name, options.adapter), keep: half, ...options });

/** Keys and values of a plain reading from `position`. */
async function read(model: LanguageModel, ids: readonly number[], position = 0): Promise<HostLayer[]> {
  const rows = await model.newCache(position);
  try {
    await model.forward({ ids, cache: rows });
    return await rows.download();
  } finally {
    rows.release();
  }
}

/** Rows `from` … `to` of every head of a layer's keys and values. */
function part(layer: HostLayer | undefined, heads: number, from: number, to: number): Float32Array {
  return Float32Array.from(
    [layer?.keys ?? [], layer?.values ?? []].flatMap((all) => {
      const width = all.length / heads;
      const perHead = Array.from({ length: heads }, (_, head) => all.slice(head * width, (head + 1) * width));
      const headDim = 4;
      return perHead.flatMap((own) => [...own.slice(from * headDim, to * headDim)]);
    }),
  );
}

describe.each(["llama", "qwen3", "gpt2"])("%s: keeping everything", (name) => {
  const { model } = useTinyModel(name);

  // KVzip repeats the context: 64 positions are too few for that.
  const fitting = PLAIN.filter((method) => name !== "gpt2" || !method.startsWith("kvzip"));

  test.each(["full", ...fitting])("%s reproduces the uncompressed logits", async (method) => {
    const cache = await run(model(), method, { keep: everything });
    expect(slotsOf(cache)).toBe(context.length);
    const wanted = await logitsAfter(model(), context, question);
    expect(distance(await logitsOn(model(), cache, question), wanted)).toBeLessThan(1e-5);
  });

  test.each(["shared", "per-head"] as const)(
    "kv-distill with B = 0 and gate 1 does too, selection %s",
    async (selection) => {
      const adapter = await attachAdapter(model(), withoutUpdates(tinyAdapter(model(), { selection })));
      const cache = await run(model(), "kv-distill", { keep: everything, adapter });
      adapter.release();
      const wanted = await logitsAfter(model(), context, question);
      expect(distance(await logitsOn(model(), cache, question), wanted)).toBeLessThan(1e-5);
    },
  );

  test("a trained adapter does not", async () => {
    const adapter = await attachAdapter(model(), tinyAdapter(model()));
    const cache = await run(model(), "kv-distill", { keep: everything, adapter });
    adapter.release();
    const wanted = await logitsAfter(model(), context, question);
    expect(distance(await logitsOn(model(), cache, question), wanted)).toBeGreaterThan(1e-3);
  });
});

describe("a tiny Llama", () => {
  const { model, work } = useTinyModel("llama");

  /** Keys and values of a cache's rows are those of a full reading at their positions. */
  async function expectRowsOfFullReading(cache: KvCache): Promise<void> {
    const full = await read(model(), context);
    const { headDim } = cache;
    for (const [i, layer] of cache.layers.entries()) {
      for (const [head, { keys }] of headsOf(layer, cache).entries()) {
        for (const [slot, position] of positionsOf(cache, i, head).entries()) {
          const at = slot * headDim;
          const from = (head * context.length + position) * headDim;
          const wanted = full[i]?.keys.subarray(from, from + headDim) ?? new Float32Array();
          expect(distance(keys.subarray(at, at + headDim), wanted)).toBeLessThan(1e-4);
        }
      }
    }
  }

  test("with B = 0 and gate 1, kv-distill keeps rows of the base model", async () => {
    const adapter = await attachAdapter(model(), withoutUpdates(tinyAdapter(model(), { selection: "per-head" })));
    const cache = await run(model(), "kv-distill", { adapter });
    adapter.release();
    expect(isPerHead(cache)).toBe(true);
    await expectRowsOfFullReading(cache);
  });

  test.each(["kvzip", "pyramidkv", "kv-distill"])(
    "%s: heads keep what they choose, in memory and in a file",
    async (method) => {
      const adapter = await attachAdapter(model(), tinyAdapter(model(), { selection: "across-heads" }));
      const own = method === "kv-distill" ? { adapter } : {};
      const keep = { kind: "bytes", value: 2 * 2 * 2 * 2 * 4 * 24 } as const;
      const cache = await run(model(), method, { ...own, keep });
      adapter.release();
      expect(isRaggedCache(cache)).toBe(true);
      expect(slotsOf(cache)).toBe(24);
      expect(mostRowsOf(cache)).toBeGreaterThan(24);
      const stored = cache.layers.reduce((sum, { keys, values }) => sum + 2 * (keys.length + values.length), 0);
      expect(stored).toBe(keep.value);
      if (method === "kvzip") await expectRowsOfFullReading(cache);
      const file = join(work(), `${method}-own.kvd`);
      await saveKvd(file, cache, { dtype: "F32" });
      const loaded = await loadKvd(file, { expectModel: model().files });
      expect(loaded).toEqual(cache);
      expect(await logitsOn(model(), loaded, question)).toEqual(await logitsOn(model(), cache, question));
    },
  );

  test.each([undefined, { start: 5, end: 31 }])(
    "reading that goes on at the number of kept rows, span %j",
    async (span) => {
      const reading = async (readPositions: "context" | "kept", ids: readonly number[]): Promise<KvCache> => {
        const adapter = await attachAdapter(model(), tinyAdapter(model(), { readPositions }));
        try {
          return await run(model(), "kv-distill", { adapter, ...(span === undefined ? {} : { span }) }, [...ids]);
        } finally {
          adapter.release();
        }
      };
      const cache = await reading("kept", context);
      const { start, end } = span ?? { start: 0, end: context.length };
      const kept = start + Math.round((end - start) / 2);
      expect(cache.nextPosition).toBe(slotsOf(cache));
      expect(slotsOf(cache)).toBe(kept + context.length - end);
      // The compressed part is the same; what follows it, and what is asked, is read from `kept` on.
      const { layers } = await reading("context", context.slice(0, end));
      const rows = await LayerCache.from(model().runtime, model().config, layers, kept);
      const ids = [...context.slice(end), ...question];
      const logitRows = question.map((_, i) => context.length - end + i);
      const wanted = (await model().forward({ ids, cache: rows, logitRows })).data;
      rows.release();
      expect(distance(await logitsOn(model(), cache, question), wanted)).toBeLessThan(1e-5);
      const usual = await reading("context", context);
      expect(usual.nextPosition).toBeUndefined();
      expect(usual.positions).toEqual(cache.positions);
      expect(distance(await logitsOn(model(), usual, question), wanted)).toBeGreaterThan(1e-3);
      const file = join(work(), "kept.kvd");
      await saveKvd(file, cache, { dtype: "F32" });
      expect(await loadKvd(file)).toEqual(cache);
    },
  );

  test("kept positions are sorted, unique, hold the sinks and are as many as asked", async () => {
    const methods = fc.constantFrom(...PLAIN);
    const facts = fc.record({
      method: methods,
      count: fc.integer({ min: 6, max: 40 }),
      sinks: fc.integer({ min: 0, max: 5 }),
    });
    await fc.assert(
      fc.asyncProperty(facts, async ({ method, count, sinks }) => {
        const cache = await run(model(), method, { keep: { kind: "tokens", value: count }, sinks });
        expect(slotsOf(cache)).toBe(count);
        for (const layer of cache.layers.keys()) {
          for (let head = 0; head < cache.numKvHeads; head++) {
            const kept = Array.from(positionsOf(cache, layer, head));
            if (!RAGGED.includes(method)) expect(kept).toHaveLength(count);
            expect(kept).toEqual([...new Set(kept)].sort((a, b) => a - b));
            expect(kept.slice(0, sinks)).toEqual(Array.from({ length: sinks }, (_, i) => i));
            expect(kept.at(-1)).toBeLessThan(context.length);
          }
        }
      }),
      { numRuns: 20 },
    );
  });

  test.each(["streaming", "h2o", "kvzip"])(
    "%s: a saved and loaded cache answers as the one in memory",
    async (method) => {
      const cache = await run(model(), method);
      const exact = join(work(), `${method}-exact.kvd`);
      const small = join(work(), `${method}.kvd`);
      await saveKvd(exact, cache, { dtype: "F32" });
      await saveKvd(small, cache);
      const answerOf = async (from: KvCache): Promise<string> => {
        let text = "";
        for await (const piece of generate(model(), { cache: from, promptIds: question, maxTokens: 12 })) text += piece;
        return text;
      };
      const loaded = await loadKvd(exact, { expectModel: model().files });
      expect(await logitsOn(model(), loaded, question)).toEqual(await logitsOn(model(), cache, question));
      expect(await answerOf(loaded)).toBe(await answerOf(cache));
      const first = await loadKvd(small);
      expect(await answerOf(await loadKvd(small))).toBe(await answerOf(first));
      expect(distance(await logitsOn(model(), first, question), await logitsOn(model(), cache, question))).toBeLessThan(
        0.05,
      );
    },
  );

  describe("folds", () => {
    const long = someIds(200);

    test("of which one holds everything change nothing", async () => {
      for (const method of PLAIN) {
        expect(await run(model(), method, { fold: 40 })).toEqual(await run(model(), method));
      }
    });

    test("keeping everything: each holds the rows of reading it right after the text's sinks, at its true positions", async () => {
      const ids = long.slice(0, 100);
      const cache = await run(model(), "streaming", { keep: everything, fold: 30 }, ids);
      expect(Array.from(cache.positions)).toEqual(Array.from(ids.keys()));
      for (const [start, end] of [
        [0, 25],
        [25, 50],
        [50, 75],
        [75, 100],
      ] as const) {
        const lead = start === 0 ? 0 : 4;
        const alone = await read(model(), [...ids.slice(0, lead), ...ids.slice(start, end)], start - lead);
        for (const [i, layer] of cache.layers.entries()) {
          const got = part(layer, cache.numKvHeads, start, end);
          expect(distance(got, part(alone[i], cache.numKvHeads, lead, lead + end - start))).toBeLessThan(1e-5);
        }
      }
    });

    test("keeping everything: the first layer, which sees no other token, is that of the whole text", async () => {
      const ids = long.slice(0, 100);
      const [folded] = (await run(model(), "streaming", { keep: everything, fold: 30 }, ids)).layers;
      const [whole] = await read(model(), ids);
      expect(distance(part(folded, 2, 0, 100), part(whole, 2, 0, 100))).toBeLessThan(1e-5);
    });

    test("a text longer than the model reads: budget exact, only one fold in memory", async () => {
      const rooms = vi.spyOn(LayerCache.prototype, "reserve");
      const warnings: string[] = [];
      const adapter = await attachAdapter(model(), tinyAdapter(model(), { selection: "per-head" }));
      const options = {
        keep: { kind: "tokens", value: 37 },
        fold: 50,
        onWarning: (text: string) => warnings.push(text),
      } as const;
      for (const method of [...PLAIN, "kv-distill"]) {
        rooms.mockClear();
        const own = method === "kv-distill" ? { adapter } : method.startsWith("kvzip") ? { fold: 25 } : {};
        const cache = await run(model(), method, { ...options, ...own }, long);
        // KVzip holds a fold and its repetition.
        const most = method.startsWith("kvzip") ? 100 : 50;
        expect(Math.max(...rooms.mock.calls.map(([rows]) => rows))).toBeLessThanOrEqual(most);
        expect(slotsOf(cache)).toBe(37);
        expect(cache.contextLength).toBe(200);
        const kept = Array.from(positionsOf(cache, 1, 1));
        expect(kept).toEqual([...new Set(kept)].sort((a, b) => a - b));
        expect(kept.slice(0, 3)).toEqual([0, 1, 2]);
        expect(await logitsOn(model(), cache, question)).toHaveLength(question.length * model().config.vocabSize);
      }
      adapter.release();
      expect(warnings).toHaveLength(PLAIN.length + 1);
      rooms.mockRestore();
    });

    test("no head comes to fill the model, however much it would like to keep", async () => {
      const adapter = await attachAdapter(model(), tinyAdapter(model(), { selection: "across-heads" }));
      const { "fc2.bias": bias } = adapter.scorer;
      // One head's scores are above all others', and it would keep every token.
      if (bias !== undefined) bias.data[1] = 1000;
      const text = someIds(4 * contextLimit(model().config));
      const keep = { kind: "tokens", value: Math.floor(contextLimit(model().config) / 2) } as const;
      const cache = await run(model(), "kv-distill", { keep, fold: 50, adapter }, text);
      adapter.release();
      const counts = allRowCounts(cache.layers, model().config);
      expect(Math.max(...counts)).toBeLessThan(contextLimit(model().config));
      expect(Math.max(...counts)).toBeGreaterThan(1.5 * keep.value);
      expect(counts.reduce((sum, own) => sum + own, 0)).toBe(counts.length * keep.value);
      expect(await logitsOn(model(), cache, question.slice(0, 1))).toHaveLength(model().config.vocabSize);
    });

    test("without them such a text is refused", async () => {
      await expect(run(model(), "streaming", {}, long)).rejects.toThrow(/--fold/);
      await expect(run(model(), "streaming", { fold: 150 }, someIds(280))).rejects.toThrow(/--fold-tokens/);
    });
  });

  describe("a span", () => {
    const span = { start: 10, end: 30 };

    test.each([...PLAIN, "kv-distill"])("%s: everything outside is kept, the span as asked", async (method) => {
      const adapter = await attachAdapter(model(), tinyAdapter(model(), { selection: "per-head" }));
      const options = method === "kv-distill" ? { span, adapter } : { span };
      const cache = await run(model(), method, options);
      adapter.release();
      expect(cache.provenance.span).toEqual(span);
      expect(cache.contextLength).toBe(40);
      expect(slotsOf(cache)).toBe(30);
      let inside = 0;
      for (const layer of cache.layers.keys()) {
        for (let head = 0; head < cache.numKvHeads; head++) {
          const kept = Array.from(positionsOf(cache, layer, head));
          expect(kept.slice(0, 10)).toEqual(Array.from({ length: 10 }, (_, i) => i));
          expect(kept.slice(-10)).toEqual(Array.from({ length: 10 }, (_, i) => 30 + i));
          const own = kept.filter((position) => position >= 10 && position < 30).length;
          if (!RAGGED.includes(method)) expect(own).toBe(10);
          inside += own;
        }
      }
      expect(inside).toBe(10 * cache.layers.length * cache.numKvHeads);
      await saveKvd(join(work(), "span.kvd"), cache);
      expect((await loadKvd(join(work(), "span.kvd"))).provenance.span).toEqual(span);
    });

    test("kept whole, the cache is the uncompressed one", async () => {
      const cache = await run(model(), "h2o", { span, keep: everything });
      const wanted = await logitsAfter(model(), context, question);
      expect(distance(await logitsOn(model(), cache, question), wanted)).toBeLessThan(1e-5);
    });

    test("what follows it is read on the compressed rows", async () => {
      const cache = await run(model(), "streaming", { span });
      const shorter = await run(model(), "streaming", { span }, context.slice(0, 30));
      const wanted = await logitsOn(model(), shorter, [...context.slice(30), ...question]);
      const after = wanted.subarray(10 * model().config.vocabSize);
      expect(distance(await logitsOn(model(), cache, question), after)).toBeLessThan(1e-5);
    });

    test("in folds: what is in front belongs to the first", async () => {
      const ids = someIds(120);
      const inside = { start: 15, end: 110 };
      const cache = await run(
        model(),
        "streaming",
        { span: inside, fold: 32, keep: { kind: "tokens", value: 12 } },
        ids,
      );
      const kept = Array.from(cache.positions);
      expect(kept).toHaveLength(15 + 12 + 10);
      expect(kept.slice(0, 15)).toEqual(Array.from({ length: 15 }, (_, i) => i));
      expect(kept.slice(-10)).toEqual(Array.from({ length: 10 }, (_, i) => 110 + i));
    });

    test("without tokens, or not inside the context, is refused", async () => {
      await expect(run(model(), "streaming", { span: { start: 4, end: 4 } })).rejects.toThrow(code("bad-argument"));
      await expect(run(model(), "streaming", { span: { start: 4, end: 41 } })).rejects.toThrow(code("bad-argument"));
    });
  });

  test("progress: never back, to the end, whatever the method does", async () => {
    for (const method of [...PLAIN, "full"]) {
      const told: CompressProgress[] = [];
      const keep = method === "full" ? everything : half;
      await run(model(), method, { keep, fold: 25, onProgress: (progress) => told.push(progress) }, someIds(100));
      expect(told.map(({ tokens }) => tokens)).toEqual(told.map(({ tokens }) => tokens).sort((a, b) => a - b));
      expect(told.at(-1)).toEqual({ tokens: 100, total: 100, fold: 5, folds: 5 });
    }
  });

  test("a stop in the middle ends with cancelled", async () => {
    const controller = new AbortController();
    const stopping = run(
      model(),
      "streaming",
      {
        fold: 25,
        signal: controller.signal,
        onProgress: () => {
          controller.abort();
        },
      },
      someIds(100),
    );
    await expect(stopping).rejects.toThrow(code("cancelled"));
  });

  test("methods that ignore the budget are refused unless they obtain it", async () => {
    await expect(run(model(), "full")).rejects.toThrow(/ask for 100%/);
    await expect(run(model(), "none")).rejects.toThrow(code("bad-argument"));
  });

  test("nothing to compress is refused", async () => {
    await expect(run(model(), "streaming", {}, [])).rejects.toThrow(code("bad-argument"));
  });
});

describe("learned positions", () => {
  const { model } = useTinyModel("gpt2");

  test("a text beyond them is refused, in folds too", async () => {
    await expect(run(model(), "streaming", { fold: 20 }, someIds(65))).rejects.toThrow(code("unsupported"));
  });
});

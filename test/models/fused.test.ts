import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { attachAdapter } from "../../src/compress/loaded-adapter.ts";
import { type EncodingAdapter, LanguageModel } from "../../src/models/language-model.ts";
import { openModel } from "../../src/models/open.ts";
import { stepGraph } from "../../src/models/step-graph.ts";
import { createRuntime, type Runtime } from "../../src/runtime/runtime.ts";
import { contextLimit } from "../../src/models/config.ts";
import { randomFromSeed } from "../../src/util/random.ts";
import { randomAdapter } from "./random-adapter.ts";
import { editJson, rewrite, tinyModel } from "./tiny-models.ts";

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

const load = async (name: string): Promise<LanguageModel> => new LanguageModel(await openModel(name), runtime);

/** The kernel takes heads of a multiple of 8 numbers: the tiny models' weights, cut into half as many heads of twice as many. */
const HALVED = { llama: "num_attention_heads", gpt2: "n_head" } as const;
const wide: Record<string, string> = {};
let work = "";
afterAll(() => rm(work, { recursive: true }));
beforeAll(async () => {
  work = await mkdtemp(join(tmpdir(), "kv-distill-fused-"));
  for (const [name, key] of Object.entries(HALVED)) {
    const folder = await rewrite(tinyModel(name), join(work, name));
    await editJson(join(folder, "config.json"), (config) => {
      config[key] = Number(config[key]) / 2;
      if (name === "llama") Object.assign(config, { head_dim: 8, num_key_value_heads: 1 });
    });
    wide[name] = folder;
  }
  wide.qwen3 = tinyModel("qwen3");
  wide.llama3 = tinyModel("llama3");
});

/** So few tokens that attention is written down. */
const FEW = 32;

function randomIds(model: LanguageModel, count: number): number[] {
  const random = randomFromSeed(7);
  return Array.from({ length: count }, () => random.integer(model.config.vocabSize));
}

/** Logits of every token and the cache's rows, after reading so many tokens at once, again and again. */
async function readBy(
  model: LanguageModel,
  ids: readonly number[],
  step: number,
  adapterFor?: (start: number, count: number) => EncodingAdapter,
): Promise<{ readonly logits: readonly number[]; readonly rows: readonly number[]; readonly fused: boolean[] }> {
  const cache = await model.newCache();
  const logits: number[] = [];
  const fused: boolean[] = [];
  for (let start = 0; start < ids.length; start += step) {
    const part = ids.slice(start, start + step);
    fused.push((await model.fusedFor(part.length, cache)).fused === true);
    const adapter = adapterFor?.(start, part.length);
    const read = await model.forward({
      ids: part,
      cache,
      logitRows: part.map((_, i) => i),
      ...(adapter === undefined ? {} : { adapter }),
    });
    logits.push(...read.data);
  }
  const rows = (await cache.download()).flatMap(({ keys, values }) => [...keys, ...values]);
  cache.release();
  return { logits, rows, fused };
}

function expectNear(got: readonly number[], wanted: readonly number[]): void {
  expect(got.length).toBe(wanted.length);
  const largest = wanted.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
  const apart = wanted.map((value, i) => Math.abs(value - (got[i] ?? NaN)) / largest);
  expect(apart.filter((distance) => !(distance < 1e-5))).toEqual([]);
}

describe.each(["llama", "gpt2", "qwen3", "llama3"])("fused attention of %s", (name) => {
  test("gives what attention gives that is written down, from nothing and on top of a past", async () => {
    const model = await load(wide[name] ?? "");
    const ids = randomIds(model, Math.min(128, contextLimit(model.config)));
    const wanted = await readBy(model, ids, FEW);
    const got = await readBy(model, ids, 64);
    expect(wanted.fused).not.toContain(true);
    expect(got.fused).not.toContain(false);
    expectNear(got.logits, wanted.logits);
    expectNear(got.rows, wanted.rows);
  });
});

test("a read with the kernel has room for all of it from the start, another grows", async () => {
  const model = await load(wide.llama ?? "");
  for (const [tokens, capacity] of [
    [FEW, 128],
    [200, 256],
  ] as const) {
    const cache = await model.newCache();
    await model.fusedFor(tokens, cache);
    expect(cache.capacity).toBe(capacity);
    cache.release();
  }
});

test.each(["llama", "gpt2"])("fused attention of %s with an adapter", async (name) => {
  const model = await load(wide[name] ?? "");
  const attached = await attachAdapter(model, randomAdapter(model));
  const { lora } = attached;
  const ids = randomIds(model, 64);
  const routed = Float32Array.from(ids, (id) => id % 2);
  const adapterFor = (start: number, count: number): EncodingAdapter => ({
    lora,
    routed: routed.slice(start, start + count),
  });
  const wanted = await readBy(model, ids, FEW, adapterFor);
  const got = await readBy(model, ids, 64, adapterFor);
  attached.release();
  expectNear(got.logits, wanted.logits);
  expectNear(got.rows, wanted.rows);
});

test("heads of 4 numbers are read by attention that is written down", async () => {
  const model = await load(tinyModel("llama"));
  const ids = randomIds(model, 64);
  const got = await readBy(model, ids, 64);
  expect(got.fused).toEqual([false]);
  expectNear(got.logits, (await readBy(model, ids, FEW)).logits);
});

test("a fused kernel tells no attention, and heads with rows of their own are not for it", async () => {
  const { config } = await load(tinyModel("llama"));
  const unsupported = expect.objectContaining({ code: "unsupported" }) as Error;
  expect(() => stepGraph(config, { result: "none", fused: true, attention: "sum" })).toThrow(unsupported);
  expect(() => stepGraph(config, { result: "none", fused: true, base: { ragged: true, shared: false } })).toThrow(
    unsupported,
  );
});

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { type Adapter, type AdapterConfig, USUAL_CHOICES } from "../../src/cache/adapter.ts";
import type { KvCache } from "../../src/cache/kv-cache.ts";
import { readingCache } from "../../src/generate/generate.ts";
import { familyOf } from "../../src/models/families/index.ts";
import { LanguageModel } from "../../src/models/language-model.ts";
import { openModel } from "../../src/models/open.ts";
import { createRuntime } from "../../src/runtime/runtime.ts";
import { randomFromSeed } from "../../src/util/random.ts";
import { tinyModel } from "../models/tiny-models.ts";
import { sampleAdapter } from "../cache/sample-adapter.ts";

/** A tiny random model for all tests of a file, opened in a cache folder of its own. */
export function useTinyModel(name: string): { readonly model: () => LanguageModel; readonly work: () => string } {
  let root = "";
  let model: LanguageModel | undefined;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "kv-distill-tiny-"));
    const before = process.env.KV_DISTILL_HOME;
    process.env.KV_DISTILL_HOME = join(root, "home");
    try {
      model = new LanguageModel(await openModel(tinyModel(name)), await createRuntime({ threads: 1 }));
    } finally {
      if (before === undefined) delete process.env.KV_DISTILL_HOME;
      else process.env.KV_DISTILL_HOME = before;
    }
  });
  afterAll(async () => {
    await model?.close();
    await rm(root, { recursive: true, force: true });
  });
  return {
    model: () => {
      if (model === undefined) throw new Error("the model is opened before the tests run");
      return model;
    },
    work: () => root,
  };
}

/** An adapter with numbers everywhere that fits a model. */
export function tinyAdapter({ config, files }: LanguageModel, choices: Partial<AdapterConfig> = {}): Adapter {
  return sampleAdapter({
    rank: 2,
    alpha: 4,
    useRslora: true,
    fanInFanOut: config.family === "gpt2",
    eta: 1,
    sinks: 3,
    gate: "straight-through",
    selection: "shared",
    ...USUAL_CHOICES,
    scorerWidth: config.hiddenSize,
    baseModel: { name: files.name, hash: files.hash },
    targets: {
      layersPath: config.family === "gpt2" ? "transformer.h" : "model.layers",
      numLayers: config.numLayers,
      hiddenSize: config.hiddenSize,
      numKvHeads: config.numKvHeads,
      modules: familyOf(config).adaptedModules,
    },
    createdBy: "kv-distill test",
    ...choices,
  });
}

/** The same adapter with B = 0: it changes nothing. */
export function withoutUpdates(adapter: Adapter): Adapter {
  const lora = [...adapter.lora].map(([path, { a, b }]) => [path, { a, b: new Float32Array(b.length) }] as const);
  return { ...adapter, lora: new Map(lora) };
}

/** Token ids without a pattern, the same every time. */
export function someIds(count: number): number[] {
  const random = randomFromSeed(count);
  return Array.from({ length: count }, () => 2 + random.integer(288));
}

/** Logits of every one of `ids`, read on a compressed cache. */
export async function logitsOn(model: LanguageModel, cache: KvCache, ids: readonly number[]): Promise<Float32Array> {
  const rows = await readingCache(model, cache);
  try {
    return (await model.forward({ ids, cache: rows, logitRows: Array.from(ids.keys()) })).data;
  } finally {
    rows.release();
  }
}

/** Logits of `ids` after `context`, both read in one go and nothing compressed. */
export async function logitsAfter(
  model: LanguageModel,
  context: readonly number[],
  ids: readonly number[],
): Promise<Float32Array> {
  const rows = await model.newCache();
  try {
    const logitRows = ids.map((_, i) => context.length + i);
    return (await model.forward({ ids: [...context, ...ids], cache: rows, logitRows })).data;
  } finally {
    rows.release();
  }
}

/** Largest difference, as a part of the largest magnitude. */
export function distance(got: Float32Array, wanted: Float32Array): number {
  if (got.length !== wanted.length) return Infinity;
  const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return got.reduce((most, value, i) => Math.max(most, Math.abs(value - (wanted[i] ?? NaN))), 0) / largest;
}

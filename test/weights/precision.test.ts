import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { positionsOf } from "../../src/cache/kv-cache.ts";
import { divergence, teacherOf } from "../../src/evaluate/metrics/divergence.ts";
import { readingCache } from "../../src/generate/generate.ts";
import { compress, type KvCache } from "../../src/index.ts";
import { LanguageModel } from "../../src/models/language-model.ts";
import type { LayerCache } from "../../src/models/layer-cache.ts";
import { loadModel } from "../../src/models/load-model.ts";
import type { Precision } from "../../src/models/precision/precision.ts";
import { smollm2 } from "./smollm2.ts";

const TEXT = `The wreck was found in 1902 by sponge divers off a small island. Among its cargo was a lump of bronze gears, which for
fifty years nobody could explain. Later work with X-rays showed that it had predicted the places of the sun and the moon, and eclipses.`;

/** Logits after every token of the text but the last, read one by one as when decoding. */
async function stepByStep(model: LanguageModel, ids: readonly number[]): Promise<Float32Array[]> {
  const cache = await model.newCache();
  const logits: Float32Array[] = [];
  for (const id of ids.slice(0, -1)) logits.push((await model.forward({ ids: [id], cache, logitRows: [0] })).data);
  cache.release();
  return logits;
}

/** Logits after every token, read in one go on a cache that is released. */
async function atOnce(model: LanguageModel, ids: readonly number[], cache: LayerCache): Promise<Float32Array[]> {
  const { vocabSize } = model.config;
  const { data } = await model.forward({ ids, cache, logitRows: ids.map((_, i) => i) });
  cache.release();
  return ids.map((_, i) => data.subarray(i * vocabSize, (i + 1) * vocabSize));
}

describe("reading in 8 bits", () => {
  let rounded: LanguageModel;
  let exact: LanguageModel;
  beforeAll(async () => {
    const { name } = await smollm2();
    rounded = await loadModel(name, { precision: "int8" });
    exact = new LanguageModel(rounded.files, rounded.runtime);
  });
  afterAll(() => rounded.close());
  const idsOf = (text: string): number[] => exact.files.tokenizer.encodeParts([{ text, special: "plain" }]);

  test.each([
    ["an article", "examples/galapagos.txt"],
    ["a licence", "NOTICE"],
    ["source code", "src/formats/onnx/onnx_pb.ts"],
    ["a table and its reasons", "docs/decisions/0002-runtime-in-a-worker.md"],
    ["JSON", "examples/galapagos-questions.jsonl"],
  ])("predicts %s within 0.01 nats of float32", async (_, path) => {
    const text = await readFile(join(import.meta.dirname, "../..", path), "utf8");
    const ids = idsOf(text).slice(0, 160);
    const teacher = teacherOf(await atOnce(exact, ids, await exact.newCache()));
    const { forwardKl, top1 } = divergence(teacher, await atOnce(rounded, ids, await rounded.newCache()), ids);
    expect(forwardKl).toBeGreaterThan(0);
    expect(forwardKl).toBeLessThan(0.01);
    expect(top1).toBeGreaterThan(0.9);
  });

  test("and compressing keep nearly the same tokens, whose cache predicts alike in float32", async () => {
    const caches: KvCache[] = [];
    for (const model of [exact, rounded]) caches.push(await compress(model, TEXT, { keep: 0.5 }));
    const [a, b] = caches as [KvCache, KvCache];
    expect([a.provenance.precision, b.provenance.precision]).toEqual([undefined, "int8"]);
    let [kept, shared] = [0, 0];
    for (let layer = 0; layer < a.layers.length; layer++) {
      for (let head = 0; head < a.numKvHeads; head++) {
        const others = new Set(positionsOf(b, layer, head));
        const own = positionsOf(a, layer, head);
        kept += own.length;
        shared += own.filter((position) => others.has(position)).length;
      }
    }
    expect(shared / kept).toBeGreaterThan(0.95);
    const ids = idsOf(
      " When was the wreck found? It was found in 1902 by sponge divers. What was it? A lump of bronze gears.",
    );
    const [wanted, got] = [
      await atOnce(exact, ids, await readingCache(exact, a)),
      await atOnce(exact, ids, await readingCache(exact, b)),
    ];
    const { forwardKl, top1 } = divergence(teacherOf(wanted), got, ids);
    expect(forwardKl).toBeLessThan(0.01);
    expect(top1).toBeGreaterThan(0.9);
  });
});

describe("weights of 8 and 4 bits", () => {
  test("predict within 0.01 nats of float32", async () => {
    const { name } = await smollm2();
    const read = async (precision: Precision): Promise<{ ids: number[]; logits: Float32Array[] }> => {
      const model = await loadModel(name, { precision });
      const ids = model.files.tokenizer.encodeParts([{ text: TEXT, special: "plain" }]);
      const logits = await stepByStep(model, ids);
      await model.close();
      return { ids, logits };
    };
    const exact = await read("fp32");
    for (const precision of ["int8", "int4"] as const) {
      const { logits } = await read(precision);
      const { forwardKl, top1 } = divergence(teacherOf(exact.logits), logits, exact.ids.slice(1));
      expect(forwardKl).toBeGreaterThan(0);
      expect(forwardKl).toBeLessThan(0.01);
      expect(top1).toBeGreaterThan(0.9);
    }
  });
});

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { divergence, teacherOf } from "../../src/evaluate/metrics/divergence.ts";
import { cacheFolder } from "../../src/models/home.ts";
import { loadModel, type LoadModelOptions } from "../../src/models/load-model.ts";
import { SHORT_STEP } from "../../src/models/precision/precision.ts";
import type * as Probe from "../../src/models/precision/probe-products.ts";
import { useTempHome } from "./temp-home.ts";
import { wideModel } from "./wide-model.ts";

/** What the processor is said to want; undefined: what it does want. */
const told = vi.hoisted((): { type: "uint8" | undefined } => ({ type: undefined }));
vi.mock("../../src/models/precision/probe-products.ts", async (original) => {
  const { exactEightBits } = await original<typeof Probe>();
  return { exactEightBits: (runtime: Parameters<typeof exactEightBits>[0]) => told.type ?? exactEightBits(runtime) };
});

const files = useTempHome();
const ids = Array.from({ length: SHORT_STEP + 9 }, (_, i) => (5 * i + 1) % 100);

async function logitsOf(folder: string, options: LoadModelOptions): Promise<Float32Array[]> {
  const model = await loadModel(folder, { threads: 1, ...options });
  const cache = await model.newCache();
  const { data } = await model.forward({ ids, cache, logitRows: ids.map((_, i) => i) });
  await model.close();
  const width = data.length / ids.length;
  return ids.map((_, i) => data.subarray(i * width, (i + 1) * width));
}

// Where signed products saturate these are what reads. Products of whole numbers are exact, so both are the same numbers.
test("matrices of unsigned numbers give a whole model's logits bit for bit", async () => {
  const folder = await wideModel("qwen2", join(files.work(), "wide"));
  const exact = await logitsOf(folder, {});
  const own = await logitsOf(folder, { precision: "int8" });
  told.type = "uint8";
  const unsigned = await logitsOf(folder, { precision: "int8" });
  expect(unsigned).toEqual(own);
  const { forwardKl } = divergence(teacherOf(exact), unsigned, ids);
  expect(forwardKl).toBeGreaterThan(0);
  expect(forwardKl).toBeLessThan(0.01);
  expect((await readdir(await cacheFolder("quantised"))).some((name) => name.includes("unsigned"))).toBe(true);
});

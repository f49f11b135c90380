import { cp, mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openSafetensors } from "../../src/formats/safetensors/open.ts";
import { findEntry } from "../../src/formats/safetensors/decode.ts";
import { readTensorFloats } from "../../src/formats/safetensors/read.ts";
import { LanguageModel } from "../../src/models/language-model.ts";
import { LayerCache } from "../../src/models/layer-cache.ts";
import { openModel } from "../../src/models/open.ts";
import { createRuntime, type Runtime } from "../../src/runtime/runtime.ts";
import { useTempHome } from "./temp-home.ts";
import { editJson, rewrite, shard, tinyModel, TINY_MODELS } from "./tiny-models.ts";

/** Of the largest logit. */
const TOLERANCE = 1e-4;
/** Checkpoints beside the golden logits; they have no tokenizer of their own. */
const WITHOUT_TOKENIZER = ["smollm2", "llama3-short", "nemo"];
const MODELS = [...TINY_MODELS, ...WITHOUT_TOKENIZER];

const { work } = useTempHome();
let runtime: Runtime;
beforeAll(async () => {
  runtime = await createRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

interface Case {
  readonly ids: readonly number[];
  readonly rows: readonly number[];
  readonly context: number;
  readonly kept: readonly number[];
}

const golden = (name: string): string => fileURLToPath(new URL(`../golden/logits/${name}`, import.meta.url));

async function caseOf(name: string): Promise<Case> {
  const cases = JSON.parse(await readFile(golden("logits.json"), "utf8")) as Record<string, Case>;
  const found = cases[name];
  if (found === undefined) throw new Error(`no golden logits of ${name}`);
  return found;
}

async function wantedLogits(name: string): Promise<Float32Array> {
  return readTensorFloats(findEntry(await openSafetensors(golden("logits.safetensors")), name));
}

/** A folder of the model that can be opened. */
async function folderOf(name: string): Promise<string> {
  if (!WITHOUT_TOKENIZER.includes(name)) return tinyModel(name);
  const folder = join(work(), name);
  await mkdir(folder, { recursive: true });
  for (const file of ["config.json", "model.safetensors"]) await cp(golden(`${name}/${file}`), join(folder, file));
  for (const file of ["tokenizer.json", "tokenizer_config.json"])
    await cp(join(tinyModel("llama"), file), join(folder, file));
  return folder;
}

const load = async (folder: string): Promise<LanguageModel> => new LanguageModel(await openModel(folder), runtime);

/** Largest difference of two sets of logits, as a part of the largest logit. */
function distance(got: Float32Array, wanted: Float32Array): number {
  expect(got.length).toBe(wanted.length);
  let [apart, largest] = [0, 0];
  wanted.forEach((value, i) => {
    largest = Math.max(largest, Math.abs(value));
    // A NaN must not pass as a small difference.
    const here = Math.abs(value - (got[i] ?? NaN));
    apart = here <= apart ? apart : here;
  });
  return apart / largest;
}

async function onePass(model: LanguageModel, { ids, rows }: Case): Promise<Float32Array> {
  const cache = await model.newCache();
  const logits = await model.forward({ ids, cache, logitRows: rows });
  cache.release();
  return logits.data;
}

describe.each(MODELS)("logits of %s are those of transformers", (name) => {
  test("in one pass", async () => {
    const asked = await caseOf(name);
    const got = await onePass(await load(await folderOf(name)), asked);
    expect(distance(got, await wantedLogits(`${name}.full`))).toBeLessThan(TOLERANCE);
  });

  test("in a prefill and single steps", async () => {
    const model = await load(await folderOf(name));
    const { ids, rows, context } = await caseOf(name);
    const cache = await model.newCache();
    const found: number[] = [];
    const prefill = rows.filter((row) => row < context);
    found.push(...(await model.forward({ ids: ids.slice(0, context), cache, logitRows: prefill })).data);
    for (const [row, id] of ids.entries()) {
      if (row < context) continue;
      const { data } = await model.forward({ ids: [id], cache, logitRows: [0] });
      if (rows.includes(row)) found.push(...data);
    }
    cache.release();
    expect(distance(Float32Array.from(found), await wantedLogits(`${name}.full`))).toBeLessThan(TOLERANCE);
  });

  test("on a cache with rows left out, positions going on as if they were there", async () => {
    const model = await load(await folderOf(name));
    const { ids, context, kept } = await caseOf(name);
    const whole = await model.newCache();
    await model.forward({ ids: ids.slice(0, context), cache: whole });
    const { headDim } = model.config;
    const pick = (rows: Float32Array): Float32Array<ArrayBuffer> => {
      const perHead = context * headDim;
      const picked: number[] = [];
      for (let head = 0; head * perHead < rows.length; head++) {
        for (const row of kept) {
          const start = head * perHead + row * headDim;
          picked.push(...rows.subarray(start, start + headDim));
        }
      }
      return Float32Array.from(picked);
    };
    const layers = (await whole.download()).map(({ keys, values }) => ({ keys: pick(keys), values: pick(values) }));
    whole.release();
    const cache = await LayerCache.from(runtime, model.config, layers, context);
    const rest = ids.slice(context);
    const logits = await model.forward({ ids: rest, cache, logitRows: [rest.length - 1] });
    cache.release();
    expect(distance(logits.data, await wantedLogits(`${name}.gapped`))).toBeLessThan(TOLERANCE);
  });
});

/** The tiny weights are multiples of 1/64 up to 1, which every storage type holds exactly: the logits stay the same. */
describe("stored otherwise, the logits are the same", () => {
  const storages = ["F32", "F16", "BF16"] as const;

  test.each(storages)("%s in one file", async (dtype) => {
    const folder = await rewrite(await folderOf("smollm2"), join(work(), dtype), undefined, () => dtype);
    const got = await onePass(await load(folder), await caseOf("smollm2"));
    expect(distance(got, await wantedLogits("smollm2.full"))).toBeLessThan(TOLERANCE);
  });

  test.each([
    ["F32 and F32", "F32", "F32"],
    ["BF16 and BF16", "BF16", "BF16"],
    ["F16 and F32", "F16", "F32"],
  ] as const)("%s in two shards", async (_, first, second) => {
    const folder = await rewrite(await folderOf("smollm2"), join(work(), "sharded"));
    await shard(folder, (index) => (index === 0 ? first : second));
    const got = await onePass(await load(folder), await caseOf("smollm2"));
    expect(distance(got, await wantedLogits("smollm2.full"))).toBeLessThan(TOLERANCE);
  });

  test("GGUF", async () => {
    const got = await onePass(await load(tinyModel("llama.gguf")), await caseOf("llama"));
    expect(distance(got, await wantedLogits("llama.full"))).toBeLessThan(TOLERANCE);
  });
});

/** What the golden logits would not notice, they would not prove. */
describe("golden logits notice", () => {
  const withoutScaling = (json: Record<string, unknown>): void => {
    const { rope_theta } = json.rope_parameters as { rope_theta: number };
    json.rope_parameters = { rope_type: "default", rope_theta };
  };

  test.each([
    ["Llama 3's scaling left out", "llama3-short", withoutScaling],
    ["Llama 3's scaling left out, at its usual limit", "llama3", withoutScaling],
    ["linear scaling left out", "linear", withoutScaling],
    [
      "another rotary base",
      "smollm2",
      (json: Record<string, unknown>) => {
        json.rope_parameters = { rope_type: "default", rope_theta: 90_000 };
      },
    ],
    ["another epsilon", "qwen3", (json: Record<string, unknown>) => void (json.rms_norm_eps = 1e-3)],
  ])("%s", async (_, name, change) => {
    const folder = await rewrite(await folderOf(name), join(work(), "changed"));
    await editJson(join(folder, "config.json"), change);
    const got = await onePass(await load(folder), await caseOf(name));
    expect(distance(got, await wantedLogits(`${name}.full`))).toBeGreaterThan(10 * TOLERANCE);
  });

  test.each([
    ["a missing query bias", "qwen2", "model.layers.0.self_attn.q_proj.bias"],
    ["a missing key norm", "qwen3", "model.layers.1.self_attn.k_norm.weight"],
    ["missing positions", "gpt2", "transformer.wpe.weight"],
    ["a missing output bias", "llama-bias", "model.layers.1.self_attn.o_proj.bias"],
  ])("%s", async (_, name, weight) => {
    const folder = await rewrite(await folderOf(name), join(work(), "changed"), (weights) => {
      weights.get(weight)?.values.fill(0);
    });
    const got = await onePass(await load(folder), await caseOf(name));
    expect(distance(got, await wantedLogits(`${name}.full`))).toBeGreaterThan(10 * TOLERANCE);
    await rm(folder, { recursive: true });
  });
});

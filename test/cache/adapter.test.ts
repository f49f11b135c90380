import { cp, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { loraScale, type Adapter, type AdapterConfig, type USUAL_CHOICES } from "../../src/cache/adapter.ts";
import { adapterHash } from "../../src/cache/adapter-hash.ts";
import { checkAdapter } from "../../src/cache/check-adapter.ts";
import { loadAdapter } from "../../src/cache/load-adapter.ts";
import { loadBareAdapter } from "../../src/cache/load-bare-adapter.ts";
import { saveAdapter } from "../../src/cache/save-adapter.ts";
import { floatTensor } from "../../src/formats/safetensors/float-tensor.ts";
import { openSafetensors } from "../../src/formats/safetensors/open.ts";
import { readTensorFloats } from "../../src/formats/safetensors/read.ts";
import { writeSafetensors, type TensorSource } from "../../src/formats/safetensors/write.ts";
import { isKvDistillError } from "../../src/util/errors.ts";
import { gpt2Targets, llamaTargets, sampleAdapter, sampleConfig } from "./sample-adapter.ts";

const golden = join(import.meta.dirname, "../golden/adapter");
const gpt2Config: AdapterConfig = { ...sampleConfig, targets: gpt2Targets, fanInFanOut: true };
/** Every choice that files leave out as long as it is as usual, otherwise. */
const UNUSUAL = {
  strengthExponent: 2,
  sinkGate: "score",
  routing: "all",
  foldPositions: "fold",
  foldCut: "full",
  readPositions: "kept",
  restRows: 4,
  scorerNorm: "none",
  scorerActivation: "silu",
  scorerWidth: 5,
} as const satisfies { [K in keyof typeof USUAL_CHOICES | "scorerWidth"]: AdapterConfig[K] };

let parent = "";
let folder = "";
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), "kv-distill-adapter-"));
  folder = join(parent, "adapter");
});
beforeEach(async () => {
  await rm(folder, { recursive: true, force: true });
});
afterAll(async () => {
  await rm(parent, { recursive: true });
});

async function editJson(name: string, change: (json: Record<string, unknown>) => void): Promise<void> {
  const path = join(folder, name);
  const json = JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>;
  change(json);
  await writeFile(path, JSON.stringify(json));
}

async function editTensors(name: string, change: (tensors: TensorSource[]) => TensorSource[]): Promise<void> {
  const path = join(folder, name);
  const tensors: TensorSource[] = [];
  for (const entry of (await openSafetensors(path)).entries.values()) {
    tensors.push(floatTensor(entry.name, entry.shape, await readTensorFloats(entry)));
  }
  await writeSafetensors(path, change(tensors));
}

describe("round trip", () => {
  test.each([
    ["llama", sampleConfig],
    ["gpt2", gpt2Config],
    ["a selection per head", { ...gpt2Config, selection: "per-head" }],
    ["no usual choice", { ...sampleConfig, ...UNUSUAL }],
  ] as const)("%s, exactly in F32, rounded in F16", async (_, config) => {
    const adapter = sampleAdapter(config);
    adapter.scorer["fc1.bias"].fill(1 / 3, 0, 1);
    const hash = await saveAdapter(folder, adapter);
    expect(hash).toBe(adapterHash(adapter));
    expect(await loadAdapter(folder)).toEqual(adapter);

    const rounded = await saveAdapter(folder, adapter, { dtype: "F16", replace: true });
    const loaded = await loadAdapter(folder);
    expect(adapterHash(loaded)).toBe(rounded);
    expect(rounded).not.toBe(hash);
    expect(loaded.scorer["fc1.bias"][0]).toBe(0.333251953125);
    expect(loaded.lora).toEqual(adapter.lora);
  });

  test("every choice that is not as usual is in the file and makes another adapter", async () => {
    const hashes = [adapterHash(sampleAdapter())];
    const names = new Set<string>();
    for (const [name, value] of Object.entries(UNUSUAL)) {
      const adapter = sampleAdapter({ ...sampleConfig, [name]: value });
      hashes.push(await saveAdapter(folder, adapter, { replace: true }));
      const json = JSON.parse(await readFile(join(folder, "kv-distill.json"), "utf8")) as Record<string, unknown>;
      for (const key of Object.keys(json)) names.add(key);
      expect(Object.values(json)).toContain(value);
    }
    expect(new Set(hashes).size).toBe(1 + Object.keys(UNUSUAL).length);
    await saveAdapter(folder, sampleAdapter(), { replace: true });
    const usual = JSON.parse(await readFile(join(folder, "kv-distill.json"), "utf8")) as Record<string, unknown>;
    expect(names.size).toBe(Object.keys(usual).length + Object.keys(UNUSUAL).length);
  });

  test("an existing folder is replaced only when asked", async () => {
    await saveAdapter(folder, sampleAdapter());
    await expect(saveAdapter(folder, sampleAdapter())).rejects.toMatchObject({ code: "bad-argument" });
    await saveAdapter(folder, sampleAdapter(), { replace: true });
    expect(await readdir(parent)).toEqual(["adapter"]);
  });

  test("other files in the folder are not looked at", async () => {
    await saveAdapter(folder, sampleAdapter());
    await writeFile(join(folder, "README.md"), "a card");
    expect(await loadAdapter(folder)).toEqual(sampleAdapter());
  });

  test("scales", () => {
    expect(loraScale({ rank: 4, alpha: 16, useRslora: true })).toBe(8);
    expect(loraScale({ rank: 4, alpha: 16, useRslora: false })).toBe(4);
  });
});

describe("PEFT", () => {
  test.each([
    ["llama", sampleConfig, "F32"],
    ["gpt2", gpt2Config, "F16"],
  ] as const)("%s: we write the bytes that PEFT was seen to load", async (family, config, dtype) => {
    await saveAdapter(folder, sampleAdapter(config), { dtype });
    for (const name of await readdir(join(golden, family))) {
      expect([name, await readFile(join(folder, name))]).toEqual([name, await readFile(join(golden, family, name))]);
    }
  });

  test.each(["llama", "gpt2"])("%s: what PEFT saves again is the same adapter", async (family) => {
    await cp(join(golden, family), folder, { recursive: true });
    await cp(join(golden, `${family}-peft`), folder, { recursive: true, force: true });
    expect(await loadAdapter(folder)).toEqual(sampleAdapter(family === "llama" ? sampleConfig : gpt2Config));
  });

  test.each<[string, unknown]>([
    ["use_dora", true],
    ["rank_pattern", { q_proj: 4 }],
    ["layers_to_transform", [0]],
    ["modules_to_save", ["lm_head"]],
    ["bias", "all"],
    ["peft_type", "IA3"],
    ["init_lora_weights", "pissa"],
    ["something_new", 3],
  ])("%s = %j changes what is computed and is refused", async (key, value) => {
    await saveAdapter(folder, sampleAdapter());
    await editJson("adapter_config.json", (json) => {
      json[key] = value;
    });
    await expect(loadAdapter(folder)).rejects.toThrow(new RegExp(`adapter_config.json "?${key}`));
  });
});

describe("bare adapters", () => {
  const options = { baseModel: sampleConfig.baseModel, targets: llamaTargets };
  test("are loaded when asked for, with the paper's gate", async () => {
    const adapter = await loadBareAdapter(join(golden, "bare"), options);
    expect(adapter.lora).toEqual(sampleAdapter().lora);
    expect(adapter.scorer).toEqual(sampleAdapter().scorer);
    expect(adapter.config).toEqual({ ...sampleConfig, gate: "sigmoid", createdBy: "unknown" });
  });

  test("are not mistaken for whole ones, nor whole ones for bare ones", async () => {
    await expect(loadAdapter(join(golden, "bare"))).rejects.toThrow(/a bare adapter/);
    await expect(loadBareAdapter(join(golden, "llama"), options)).rejects.toThrow(/not a bare adapter/);
  });

  test("for another model they list what differs", async () => {
    const targets = { ...llamaTargets, numLayers: 3, hiddenSize: 16 };
    await expect(loadBareAdapter(join(golden, "bare"), { ...options, targets })).rejects.toMatchObject({
      code: "bad-file",
      facts: { faults: expect.arrayContaining(["tensor fc1.bias is [8], not [16]"]) as string[] },
    });
  });
});

describe("refused before writing", () => {
  const cases: [string, (adapter: Adapter) => Adapter, RegExp][] = [
    ["a missing module", (a) => ({ ...a, lora: new Map([...a.lora].slice(1)) }), /q_proj.lora_A.weight is missing/],
    ["an unknown module", (a) => ({ ...a, lora: new Map([...a.lora, ["layers.9.x", emptyPair]]) }), /unknown module/],
    ["a wrong size", (a) => ({ ...a, scorer: { ...a.scorer, "fc2.bias": new Float32Array(2) } }), /fc2.bias has 2/],
    ["no rank", (a) => ({ ...a, config: { ...a.config, rank: 0 } }), /rank is 0/],
    ["eta beyond the layers", (a) => ({ ...a, config: { ...a.config, eta: 3 } }), /eta is 3/],
    ["a path out of the folder", (a) => withTargets(a, { layersPath: "../x" }), /layersPath/],
    ["too many layers", (a) => withTargets(a, { numLayers: 2 ** 20 }), /modules are adapted/],
    ["no modules", (a) => withTargets(a, { modules: [] }), /no modules/],
    ["NaN", (a) => ({ ...a, scorer: { ...a.scorer, "fc2.bias": Float32Array.of(NaN) } }), /not finite/],
  ];
  const emptyPair = { a: new Float32Array(), b: new Float32Array() };
  const withTargets = (adapter: Adapter, changes: Partial<AdapterConfig["targets"]>): Adapter => ({
    ...adapter,
    config: { ...adapter.config, targets: { ...adapter.config.targets, ...changes } },
  });
  test.each(cases)("%s", async (_, change, message) => {
    await expect(saveAdapter(folder, change(sampleAdapter()))).rejects.toThrow(message);
    expect(await readdir(parent)).toEqual([]);
  });

  test("a value too large for half precision", async () => {
    const adapter = sampleAdapter();
    adapter.scorer["fc2.bias"][0] = 70000;
    await expect(saveAdapter(folder, adapter, { dtype: "F16" })).rejects.toMatchObject({ code: "not-finite" });
    checkAdapter(adapter, "in F32 it is fine");
  });
});

describe("refused on loading", () => {
  beforeEach(async () => {
    await saveAdapter(folder, sampleAdapter());
  });

  test("all faults of all files in one error", async () => {
    await editJson("adapter_config.json", (json) => {
      json.r = 8;
      json.use_dora = true;
    });
    await editTensors("scorer.safetensors", (tensors) => tensors.slice(1));
    await editTensors("adapter_model.safetensors", (tensors) => [
      ...tensors.slice(2),
      floatTensor("extra", [1], new Float32Array(1)),
    ]);
    const error: unknown = await loadAdapter(folder).catch((thrown: unknown) => thrown);
    expect(isKvDistillError(error) ? error.facts.faults : error).toEqual([
      'adapter_config.json "use_dora" is "true", which is not handled',
      "adapter_config.json r is 8, not 3",
      "tensor base_model.model.model.layers.0.self_attn.k_proj.lora_A.weight is missing",
      "tensor base_model.model.model.layers.0.self_attn.k_proj.lora_B.weight is missing",
      'unknown tensor "extra"',
      "tensor fc1.bias is missing",
    ]);
  });

  test.each<[string, (json: Record<string, unknown>) => void, RegExp]>([
    ["another rank", (json) => (json.rank = 4), /lora_A.weight is \[3, 8\], not \[4, 8\]/],
    ["another alpha", (json) => (json.alpha = 17), /lora_alpha is 16, not 17/],
    ["an unknown key", (json) => (json.color = "red"), /color/],
    ["a missing key", (json) => delete json.eta, /kv-distill.json eta/],
    ["a later version", (json) => (json.format_version = 2), /format_version/],
    ["a gate that is none", (json) => (json.gate = "always"), /gate/],
    ["a hostile number of layers", (json) => (json.num_layers = 2 ** 20), /modules are adapted/],
  ])("%s in kv-distill.json", async (_, change, message) => {
    await editJson("kv-distill.json", change);
    await expect(loadAdapter(folder)).rejects.toThrow(message);
    await expect(loadAdapter(folder)).rejects.toMatchObject({ code: "bad-file" });
  });

  test("a setting that only the hash knows", async () => {
    await editJson("kv-distill.json", (json) => (json.sinks = 5));
    await expect(loadAdapter(folder)).rejects.toMatchObject({ code: "checksum-mismatch" });
  });

  test("a value that changed", async () => {
    await editTensors("scorer.safetensors", (tensors) =>
      tensors.map((tensor) =>
        tensor.name === "fc2.bias" ? floatTensor(tensor.name, [1], Float32Array.of(9)) : tensor,
      ),
    );
    await expect(loadAdapter(folder)).rejects.toMatchObject({ code: "checksum-mismatch" });
  });

  test("another model's adapter, by name and hash", async () => {
    const expectModel = { name: "other", hash: "b".repeat(64) };
    await expect(loadAdapter(folder, { expectModel })).rejects.toMatchObject({
      code: "model-mismatch",
      facts: { got: `tiny (sha256 ${"a".repeat(64)})` },
    });
    await loadAdapter(folder, { expectModel: sampleConfig.baseModel });
  });

  test.each(["kv-distill.json", "adapter_config.json", "adapter_model.safetensors", "scorer.safetensors"])(
    "a missing %s",
    async (name) => {
      await rm(join(folder, name));
      await expect(loadAdapter(folder)).rejects.toMatchObject({ code: "not-found" });
    },
  );

  test.each(["kv-distill.json", "adapter_model.safetensors", "scorer.safetensors"])(
    "%s cut or with a flipped bit at any byte",
    async (name) => {
      const modules = [{ path: "self_attn.q_proj", inputs: 2, outputs: 1 }];
      const targets = { layersPath: "model.layers", numLayers: 1, hiddenSize: 1, numKvHeads: 1, modules };
      const small = sampleAdapter({ ...sampleConfig, rank: 1, targets });
      const hash = await saveAdapter(folder, small, { replace: true });
      const path = join(folder, name);
      const whole = await readFile(path);
      // Names and formatting may change without changing what is computed: then the adapter must be the same one.
      for (let at = 0; at < whole.length; at++) {
        const flipped = Buffer.from(whole);
        flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
        for (const damaged of [whole.subarray(0, at), flipped]) {
          await writeFile(path, damaged);
          const result: unknown = await loadAdapter(folder).then(adapterHash, (thrown: unknown) => thrown);
          if (result !== hash && !isKvDistillError(result)) throw new Error(`byte ${at}: ${String(result)}`);
        }
      }
    },
  );
});

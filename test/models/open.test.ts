import { cp, mkdir, open, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { contextLimit } from "../../src/models/config.ts";
import { readGgufModel } from "../../src/models/gguf/source.ts";
import { prepareModel } from "../../src/models/loading/prepare.ts";
import type { ModelFiles } from "../../src/models/model-files.ts";
import { openModel } from "../../src/models/open.ts";
import type { ModelProgress } from "../../src/models/progress.ts";
import { elementCount } from "../../src/tensor/tensor.ts";
import { useTempHome } from "./temp-home.ts";
import { editJson, readAll, rewrite, shard, tinyModel, TINY_MODELS, type FloatWeight } from "./tiny-models.ts";

const { home, work } = useTempHome();

/** Reads a model's weights the way the engine does: bytes at an offset. */
async function weightsOf(model: ModelFiles): Promise<Map<string, number[]>> {
  const found = new Map<string, number[]>();
  for (const [name, { file, offset, dims }] of model.weights) {
    const handle = await open(file, "r");
    const bytes = new Uint8Array(4 * elementCount(dims));
    await handle.read(bytes, 0, bytes.length, offset);
    await handle.close();
    found.set(name, [...new Float32Array(bytes.buffer)]);
  }
  return found;
}

function recorder() {
  const steps: string[] = [];
  const warnings: string[] = [];
  return {
    steps,
    warnings,
    onProgress: ({ step }: ModelProgress) => void steps.push(step),
    onWarning: (message: string) => void warnings.push(message),
  };
}

const listed = (name: string) => readdir(join(home(), name)).catch(() => []);

describe.each(TINY_MODELS)("%s", (name) => {
  test("a GGUF file is the same model as its Hugging Face folder", async () => {
    const folder = await openModel(tinyModel(name));
    const gguf = await openModel(tinyModel(`${name}.gguf`));
    expect(gguf.hash).toBe(folder.hash);
    expect(gguf.tokenizerHash).toBe(folder.tokenizerHash);
    expect(gguf.chatTemplate?.text).toBe(folder.chatTemplate?.text);
    expect({ ...gguf.config, normEpsilon: 0 }).toEqual({ ...folder.config, normEpsilon: 0 });
    expect(gguf.config.normEpsilon).toBeCloseTo(folder.config.normEpsilon, 12);
    expect(await weightsOf(gguf)).toEqual(await weightsOf(folder));
    const text = "the cat's 2019 log  <|end|>é 日本\n<tool>";
    expect(gguf.tokenizer.encode(text, { special: "parse" })).toEqual(
      folder.tokenizer.encode(text, { special: "parse" }),
    );
    expect(gguf.tokenizer.eosIds).toEqual([1]);
    expect(gguf.tokenizer.bosId).toBe(0);
  });

  test("float16 weights are converted once and found under their names", async () => {
    const first = recorder();
    const model = await openModel(tinyModel(name), first);
    expect(first.steps).toContain("convert");
    const expected = await readAll(tinyModel(name));
    if (model.config.tieWordEmbeddings) expected.delete("lm_head.weight");
    const found = await weightsOf(model);
    expect([...found.keys()].sort()).toEqual([...expected.keys()].sort());
    for (const [weight, { dims, values }] of expected) {
      expect(found.get(weight)).toEqual([...values]);
      expect(model.weights.get(weight)?.dims).toEqual(dims);
    }
    const second = recorder();
    expect((await openModel(tinyModel(name), second)).hash).toBe(model.hash);
    expect(second.steps).toEqual([]);
    expect(await listed("prepared")).toHaveLength(1);
  });
});

describe("folders with float32 weights", () => {
  test("are used in place, through links too", async () => {
    const folder = await rewrite(tinyModel("llama"), join(work(), "m"));
    await rename(join(folder, "model.safetensors"), join(work(), "blob"));
    await symlink(join(work(), "blob"), join(folder, "model.safetensors"));
    const model = await openModel(folder);
    expect(new Set([...model.weights.values()].map(({ file }) => file))).toEqual(new Set([join(work(), "blob")]));
    expect(model.hash).toBe((await openModel(tinyModel("llama"))).hash);
    expect(await listed("prepared")).toHaveLength(1);
  });

  test("in shards too; with a narrower shard they are converted", async () => {
    const folder = await rewrite(tinyModel("qwen2"), join(work(), "m"));
    await shard(folder, () => "F32");
    const model = await openModel(folder);
    expect(new Set([...model.weights.values()].map(({ file }) => file)).size).toBe(2);
    expect(await listed("prepared")).toEqual([]);
    const mixed = await rewrite(tinyModel("qwen2"), join(work(), "mixed"));
    await shard(mixed, (index) => (index === 0 ? "F32" : "BF16"));
    const converted = await openModel(mixed);
    expect(converted.hash).toBe(model.hash);
    expect(await listed("prepared")).toHaveLength(1);
  });

  test("of a bare GPT-2 with its old mask buffers", async () => {
    const folder = await rewrite(tinyModel("gpt2"), join(work(), "m"), (weights) => {
      const named = [...weights];
      weights.clear();
      for (const [name, weight] of named) weights.set(name.replace(/^transformer\./, ""), weight);
      weights.set("h.0.attn.bias", { dims: [1, 1, 2, 2], values: new Float32Array(4) });
      weights.set("h.0.attn.masked_bias", { dims: [], values: new Float32Array(1) });
    });
    expect((await openModel(folder)).hash).toBe((await openModel(tinyModel("gpt2"))).hash);
  });

  test("an output matrix beside tied embeddings is not used", async () => {
    const folder = await rewrite(tinyModel("llama"), join(work(), "m"), (weights) => {
      weights.set("lm_head.weight", { dims: [300, 16], values: new Float32Array(4800) });
    });
    const model = await openModel(folder);
    expect(model.weights.has("lm_head.weight")).toBe(false);
    expect(model.hash).toBe((await openModel(tinyModel("llama"))).hash);
  });
});

describe("hashes", () => {
  test("change with a weight, with the mathematics, and not with limits or names", async () => {
    const base = (await openModel(tinyModel("llama3"))).hash;
    const folder = await rewrite(tinyModel("llama3"), join(work(), "m"));
    expect((await openModel(folder)).hash).toBe(base);
    await editJson(join(folder, "config.json"), (json) => {
      Object.assign(json, { max_position_embeddings: 64, eos_token_id: 5, _name_or_path: "x" });
    });
    expect((await openModel(folder)).hash).toBe(base);
    await editJson(join(folder, "config.json"), (json) => void Object.assign(json, { rms_norm_eps: 1e-6 }));
    expect((await openModel(folder)).hash).not.toBe(base);
    const other = await rewrite(tinyModel("llama3"), join(work(), "other"), (weights) => {
      const norm = weights.get("model.norm.weight");
      if (norm !== undefined) norm.values[3] = 9;
    });
    expect((await openModel(other)).hash).not.toBe(base);
  });

  test("are computed again when a file changes in place", async () => {
    const folder = await rewrite(tinyModel("llama"), join(work(), "m"));
    const before = await openModel(folder);
    const again = recorder();
    await openModel(folder, again);
    expect(again.steps).toEqual([]);
    const file = await open(join(folder, "model.safetensors"), "r+");
    await file.write(Uint8Array.of(1, 2, 3, 4), 0, 4, before.weights.get("model.norm.weight")?.offset ?? 0);
    await file.close();
    expect((await openModel(folder)).hash).not.toBe(before.hash);
  });

  test("of a tokenizer change with a merge and not with the file's layout", async () => {
    const folder = await rewrite(tinyModel("llama"), join(work(), "m"));
    const before = (await openModel(folder)).tokenizerHash;
    await editJson(join(folder, "tokenizer.json"), (json) => {
      const model = json.model as { merges: string[][] };
      model.merges = model.merges.map((merge) => merge.join(" ")) as never;
      json.version = "2.0";
    });
    expect((await openModel(folder)).tokenizerHash).toBe(before);
    await editJson(join(folder, "tokenizer.json"), (json) => void (json.model as { merges: unknown[] }).merges.pop());
    expect((await openModel(folder)).tokenizerHash).not.toBe(before);
  });

  test("are not remembered, with a warning, where the cache cannot be written", async () => {
    const folder = await rewrite(tinyModel("llama"), join(work(), "m"));
    await writeFile(join(work(), "file"), "");
    process.env.KV_DISTILL_HOME = join(work(), "file", "home");
    const told = recorder();
    await openModel(folder, told);
    expect(told.warnings).toEqual([expect.stringContaining("computed again")]);
    await expect(openModel(tinyModel("llama"))).rejects.toMatchObject({ code: "disk" });
  });
});

describe("a conversion", () => {
  test("that fails leaves nothing behind", async () => {
    const source = await readGgufModel(tinyModel("llama.gguf"));
    const full = Object.assign(new Error("no space"), { code: "ENOSPC", syscall: "write" });
    const broken = source.weights.map((weight) =>
      weight.name === "model.norm.weight" ? { ...weight, read: () => Promise.reject(full) } : weight,
    );
    await mkdir(join(work(), "prepared"));
    const target = join(work(), "prepared", "m");
    const from = { kind: "gguf-file", from: "x" } as const;
    await expect(prepareModel({ ...source, weights: broken }, target, from, {})).rejects.toMatchObject({
      code: "disk",
      facts: { got: "ENOSPC" },
    });
    expect(await readdir(join(work(), "prepared"))).toEqual([]);
  });

  test("made by another process meanwhile is used", async () => {
    await mkdir(join(work(), "prepared"));
    const target = join(work(), "prepared", "m");
    const make = async () =>
      prepareModel(await readGgufModel(tinyModel("llama.gguf")), target, { kind: "gguf-file", from: "x" }, {});
    await Promise.all([make(), make()]);
    expect(await readdir(join(work(), "prepared"))).toEqual(["m"]);
    expect((await openModel(target)).weights.size).toBe(20);
  });

  test("that is damaged later is told, not used", async () => {
    const { folder } = await openModel(tinyModel("llama.gguf"));
    await rm(join(folder, "model.safetensors"));
    await expect(openModel(tinyModel("llama.gguf"))).rejects.toMatchObject({ code: "not-found" });
  });
});

describe("what does not fit is refused", () => {
  async function edited(change: (weights: Map<string, FloatWeight>) => void): Promise<string> {
    return rewrite(tinyModel("llama"), join(work(), "m"), change);
  }

  test("missing and misshapen weights, all at once", async () => {
    const folder = await edited((weights) => {
      weights.delete("model.layers.1.mlp.up_proj.weight");
      weights.delete("model.layers.0.input_layernorm.weight");
      weights.set("model.norm.weight", { dims: [4, 4], values: new Float32Array(16) });
    });
    await expect(openModel(folder)).rejects.toMatchObject({
      code: "bad-file",
      facts: {
        faults: [
          expect.stringContaining("[4, 4], but the configuration gives [16]"),
          expect.stringMatching(/layers.0.input_layernorm.weight.*missing/),
          expect.stringMatching(/layers.1.mlp.up_proj.weight.*missing/),
        ],
      },
    });
  });

  test("weights that would change the mathematics", async () => {
    const folder = await edited((weights) => {
      weights.set("model.layers.0.self_attn.q_norm.weight", { dims: [4], values: new Float32Array(4) });
    });
    await expect(openModel(folder)).rejects.toMatchObject({
      code: "unsupported",
      facts: { faults: [expect.stringContaining("q_norm")] },
    });
  });

  test("a tokenizer with more ids than the model", async () => {
    const folder = await edited(() => undefined);
    await editJson(join(folder, "tokenizer.json"), (json) => {
      (json.added_tokens as object[]).push({ id: 300, content: "<pad>", special: true });
    });
    await expect(openModel(folder)).rejects.toMatchObject({
      code: "unsupported",
      facts: { expected: "ids below 300" },
    });
  });

  test("folders without the files, GGUF folders, pickles and names of nothing", async () => {
    const folder = await edited(() => undefined);
    await rm(join(folder, "tokenizer.json"));
    await expect(openModel(folder)).rejects.toMatchObject({
      code: "not-found",
      message: expect.stringContaining("tokenizer.json") as string,
    });
    await mkdir(join(work(), "g"));
    await cp(tinyModel("llama.gguf"), join(work(), "g", "a.gguf"));
    await expect(openModel(join(work(), "g"))).rejects.toMatchObject({
      code: "bad-file",
      message: expect.stringContaining("a.gguf") as string,
    });
    await writeFile(join(work(), "pytorch_model.bin"), "");
    await expect(openModel(join(work(), "pytorch_model.bin"))).rejects.toMatchObject({ code: "bad-file" });
    await expect(openModel("no-such-model")).rejects.toMatchObject({
      code: "not-found",
      facts: { hint: "kv-distill pull no-such-model" },
    });
    await expect(openModel("./none/../such")).rejects.toMatchObject({ code: "not-found" });
  });
});

test("a sliding window of GGUF metadata bounds the context", async () => {
  expect(contextLimit((await openModel(tinyModel("mistral.gguf"))).config)).toBe(32);
});

import { cp, mkdir, readdir, readFile, realpath, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openModel } from "../../src/models/open.ts";
import { listModels } from "../../src/models/pull/list-models.ts";
import { pull } from "../../src/models/pull/pull.ts";
import { defaultName, parsePullSource } from "../../src/models/pull/pull-source.ts";
import { isKvDistillError } from "../../src/util/errors.ts";
import { useTempHome } from "./temp-home.ts";
import { editJson, rewrite, shard, tinyModel } from "./tiny-models.ts";

const { home, work } = useTempHome();
const listed = (name: string) => readdir(join(home(), name)).catch(() => [] as string[]);

async function expectNothing(): Promise<void> {
  expect(await listed("models")).toEqual([]);
  expect(await listed("downloads")).toEqual([]);
}

describe("a folder", () => {
  test("is taken over, weights linked, small files copied, and outlives the original", async () => {
    const folder = await rewrite(tinyModel("llama"), join(work(), "mine"));
    const hash = (await openModel(folder)).hash;
    await writeFile(join(folder, "pytorch_model.bin"), "pickle");
    await writeFile(join(folder, "README.md"), "---\nlanguage: en\nlicense: apache-2.0\n---\n# Hi\nlicense: other\n");
    const result = await pull(folder);
    expect(result).toMatchObject({
      name: "mine",
      alreadyThere: false,
      source: { kind: "huggingface-folder", from: folder, licence: "apache-2.0" },
    });
    const names = ["config.json", "model.safetensors", "source.json", "tokenizer.json", "tokenizer_config.json"];
    expect(await readdir(result.folder)).toEqual(names);
    const same = async (name: string) =>
      (await stat(join(folder, name))).ino === (await stat(join(result.folder, name))).ino;
    expect([await same("model.safetensors"), await same("config.json")]).toEqual([true, false]);
    expect((await pull(folder)).alreadyThere).toBe(true);
    await rm(folder, { recursive: true });
    expect((await openModel("mine")).hash).toBe(hash);
    expect(await listed("downloads")).toEqual([]);
  });

  test("of shards, and a snapshot of links in the hub's own cache, under the model's name", async () => {
    const folder = await rewrite(tinyModel("qwen2"), join(work(), "m"));
    await shard(folder, () => "F16");
    await rm(join(folder, "model.safetensors"), { force: true });
    const snapshot = join(work(), "hub", "models--acme--tiny", "snapshots", "0123");
    await mkdir(snapshot, { recursive: true });
    await rename(folder, join(work(), "hub", "blobs"));
    for (const name of await readdir(join(work(), "hub", "blobs"))) {
      await symlink(join("..", "..", "..", "blobs", name), join(snapshot, name));
    }
    const result = await pull(snapshot);
    expect(result.name).toBe("acme/tiny");
    for (const name of await readdir(result.folder)) {
      expect(await realpath(join(result.folder, name))).toBe(join(await realpath(result.folder), name));
    }
    expect((await openModel("acme/tiny")).hash).toBe((await openModel(tinyModel("qwen2"))).hash);
  });

  test("on another file system is copied", async (context) => {
    const elsewhere = "/dev/shm";
    const device = await stat(elsewhere).then(
      ({ dev }) => dev,
      () => undefined,
    );
    if (device === undefined || device === (await stat(work())).dev) {
      console.log("skipped: there is no second file system at /dev/shm");
      context.skip();
    }
    const folder = join(elsewhere, `kv-distill-${process.pid.toString()}`);
    try {
      await cp(tinyModel("llama"), folder, { recursive: true });
      const done: number[] = [];
      const { folder: pulled } = await pull(folder, {
        name: "copied",
        onProgress: (step) => void done.push(step.done),
      });
      const weights = await readFile(join(folder, "model.safetensors"));
      expect(await readFile(join(pulled, "model.safetensors"))).toEqual(weights);
      expect((await stat(join(pulled, "model.safetensors"))).nlink).toBe(1);
      expect(done.at(-1)).toBe(weights.length);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("that is no model, or half a one, leaves nothing behind", async () => {
    const folder = await rewrite(tinyModel("llama"), join(work(), "m"));
    await expect(pull(work())).rejects.toMatchObject({ code: "not-found" });
    await editJson(join(folder, "config.json"), (json) => void Object.assign(json, { num_hidden_layers: 3 }));
    await expect(pull(folder)).rejects.toMatchObject({ code: "bad-file" });
    await rm(join(folder, "model.safetensors"));
    await expect(pull(folder)).rejects.toMatchObject({ code: "unsupported" });
    const index = JSON.stringify({ weight_map: { w: "../other.safetensors" } });
    await writeFile(join(folder, "model.safetensors.index.json"), index);
    await expect(pull(folder)).rejects.toMatchObject({ code: "bad-file" });
    await writeFile(join(folder, "model.safetensors.index.json"), index.replace("../", ""));
    await expect(pull(folder)).rejects.toMatchObject({ code: "not-found" });
    await expectNothing();
  });
});

test("a GGUF file opens by its name, and the list shows it", async () => {
  const gguf = join(work(), "Tiny.Q8.gguf");
  await cp(tinyModel("llama.gguf"), gguf);
  const result = await pull(gguf, { name: "acme/tiny-gguf" });
  expect((await readdir(result.folder)).sort()).toEqual(["model.gguf", "source.json"]);
  const model = await openModel("acme/tiny-gguf");
  expect(model.name).toBe("acme/tiny-gguf");
  expect(model.hash).toBe((await openModel(tinyModel("llama"))).hash);
  expect((await pull(gguf)).name).toBe("Tiny.Q8");
  await mkdir(join(home(), "models", ".half.host.1.0123456789ab.tmp"));
  await mkdir(join(home(), "models", "by-hand"));
  const { pulled, known } = await listModels();
  expect(pulled.map(({ name, bytes, source }) => [name, bytes, source?.kind])).toEqual([
    ["Tiny.Q8", expect.any(Number), "gguf-file"],
    ["acme/tiny-gguf", result.bytes, "gguf-file"],
    ["by-hand", 0, undefined],
  ]);
  expect(known.map(({ name }) => name)).toEqual(["smollm2-135m-instruct"]);
});

test("a name belongs to one source until it is replaced", async () => {
  const one = await rewrite(tinyModel("llama"), join(work(), "one"));
  const two = await rewrite(tinyModel("qwen2"), join(work(), "two"));
  await pull(one, { name: "m" });
  await expect(pull(two, { name: "m" })).rejects.toMatchObject({ code: "bad-argument", facts: { where: "m" } });
  expect((await openModel("m")).config.modelType).toBe("llama");
  await pull(two, { name: "m", replace: true });
  expect((await openModel("m")).config.modelType).toBe("qwen2");
  // A replacement that fails leaves what was there.
  await expect(pull(work(), { name: "m", replace: true })).rejects.toMatchObject({ code: "not-found" });
  expect((await openModel("m")).config.modelType).toBe("qwen2");
  await rm(join(home(), "models", "m", "source.json"));
  await expect(pull(two, { name: "m" })).rejects.toMatchObject({ code: "bad-argument" });
  for (const name of ["../m", "a/b/c", "", ".m", "a--b", "a..b", "m/../../x", "/etc/m"]) {
    await expect(pull(one, { name })).rejects.toMatchObject({
      code: "bad-argument",
      facts: { hint: expect.stringContaining("--name") as string },
    });
  }
  expect(await listed("models")).toEqual(["m"]);
});

test("a stopped copy is cancelled and leaves nothing", async () => {
  const gone = AbortSignal.abort(new Error("no"));
  await expect(pull(tinyModel("llama"), { signal: gone })).rejects.toMatchObject({ code: "cancelled" });
  await expectNothing();
});

describe("what a person types", () => {
  test("known names first, then paths that exist, then the hub", async () => {
    expect(await parsePullSource("smollm2-135m-instruct")).toMatchObject({ kind: "package" });
    expect(await parsePullSource("Acme/tiny_1.5@v2")).toEqual({ kind: "hub", repo: "Acme/tiny_1.5", revision: "v2" });
    expect(await parsePullSource("test/golden/gguf-models/llama")).toMatchObject({ kind: "local", format: "folder" });
    expect(await parsePullSource("./test/golden/gguf-models/llama.gguf")).toMatchObject({ format: "gguf" });
    const odd = await parsePullSource("acme/a--b");
    expect([odd.kind, defaultName(odd)]).toEqual(["hub", "acme/a--b"]);
    for (const text of [
      "./acme/tiny",
      "/no/such",
      "x.gguf",
      "nothing",
      "a/b/c",
      "a/b@",
      "a/b@../x",
      "a/../b",
      "",
      "@",
    ]) {
      await expect(parsePullSource(text)).rejects.toSatisfy(
        (error) => isKvDistillError(error) && ["not-found", "bad-argument"].includes(error.code),
      );
    }
  });

  test("anything at all: a typed error, or a repository whose name is safe in a path and an address", async () => {
    const text = fc.oneof(fc.string(), fc.stringMatching(/^[\w.@/-]{1,20}$/));
    await fc.assert(
      fc.asyncProperty(text, async (given) => {
        const source = await parsePullSource(given).catch((error: unknown) => error);
        if (isKvDistillError(source)) return;
        expect(source).not.toBeInstanceOf(Error);
        const { kind, repo = "a/b", revision = "main" } = source as { kind: string; repo?: string; revision?: string };
        if (kind !== "hub") return;
        expect(repo).toMatch(/^[A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*$/);
        expect(`${repo}/${revision}`).not.toContain("..");
      }),
    );
  });
});

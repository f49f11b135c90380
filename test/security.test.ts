import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadKvd } from "../src/cache/load-kvd.ts";
import { parsePromptTemplates } from "../src/data/sources/p3/prompt-templates.ts";
import { openGguf } from "../src/formats/gguf/open.ts";
import { openSafetensors } from "../src/formats/safetensors/open.ts";
import { openModel } from "../src/models/open.ts";
import { resolveModel } from "../src/models/loading/resolve.ts";
import { chatRequest } from "../src/server/answers/chat-request.ts";
import { conversationRequest } from "../src/server/conversations/requests.ts";
import { contextRequest } from "../src/server/contexts/context-request.ts";
import { readJson } from "../src/server/http/body.ts";
import { parseStrictJson } from "../src/util/strict-json.ts";
import { buildGguf, entry, u32, u64 } from "./formats/gguf/build-gguf.ts";
import { useTempHome } from "./models/temp-home.ts";
import { tinyModel } from "./models/tiny-models.ts";

useTempHome();
let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kv-distill-security-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Bytes by which the process grows at most while something is refused. */
async function growthOf(work: () => Promise<unknown>): Promise<number> {
  const before = process.resourceUsage().maxRSS;
  await expect(work()).rejects.toThrow();
  return (process.resourceUsage().maxRSS - before) * 1024;
}

async function file(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}

const MEBI = 2 ** 20;
/** The type of a 32-bit number in GGUF metadata. */
const GGUF_UINT32 = 4;

describe("S2: sizes that are declared are not believed", () => {
  const huge = [2n ** 31n, 2n ** 40n, 2n ** 62n];

  test.each(huge)(
    "an array of %d numbers in GGUF metadata, a tensor of so many, a string of so many bytes",
    async (count) => {
      const pieces = [
        buildGguf({ entries: [entry("a", 9, [...u32(0), ...u64(count)])] }),
        buildGguf({ entries: [entry("a", 8, u64(count))] }),
        buildGguf({ tensors: [{ name: "t", dims: [count] }] }),
        buildGguf({ keyCount: count }),
        buildGguf({ tensorCount: count }),
      ];
      for (const [i, bytes] of pieces.entries()) {
        const path = await file(`${i}.gguf`, bytes);
        expect(await growthOf(() => openGguf(path))).toBeLessThan(64 * MEBI);
      }
    },
  );

  test.each(huge)("a safetensors header of %d bytes, a tensor of so many", async (count) => {
    const json = Buffer.from(`{"t":{"dtype":"F32","shape":[${count}],"data_offsets":[0,${count * 4n}]}}`);
    for (const [i, bytes] of [
      Buffer.from([...u64(count), 0x7b]),
      Buffer.concat([Buffer.from(u64(json.length)), json]),
    ].entries()) {
      const path = await file(`${i}.safetensors`, bytes);
      expect(await growthOf(() => openSafetensors(path))).toBeLessThan(64 * MEBI);
      expect(await growthOf(() => loadKvd(path))).toBeLessThan(64 * MEBI);
    }
  });
});

describe("S2: a number of layers is not believed", () => {
  test.each([2 ** 16, 2 ** 26, 2 ** 31])("%d layers in config.json, and in a GGUF file", async (layers) => {
    const model = join(folder, `model-${layers}`);
    await cp(tinyModel("llama"), model, { recursive: true });
    const config = JSON.parse(await readFile(join(model, "config.json"), "utf8")) as object;
    await writeFile(join(model, "config.json"), JSON.stringify({ ...config, num_hidden_layers: layers }));
    expect(await growthOf(() => openModel(model))).toBeLessThan(64 * MEBI);

    const gguf = await readFile(`${tinyModel("llama")}.gguf`);
    const key = Buffer.from("llama.block_count");
    const at = gguf.indexOf(key) + key.length;
    expect(gguf.readUInt32LE(at)).toBe(GGUF_UINT32);
    gguf.writeUInt32LE(layers, at + 4);
    const path = await file(`${layers}.gguf`, gguf);
    expect(await growthOf(() => openModel(path))).toBeLessThan(64 * MEBI);
  });
});

describe("S3: nothing in a file is run", () => {
  test.each(["pytorch_model.bin", "model.pt", "model.onnx", "model.pkl"])("%s is no model", async (name) => {
    const path = await file(name, Buffer.from("cos\nsystem\n(S'echo'\ntR."));
    await expect(resolveModel(path)).rejects.toThrow(expect.objectContaining({ code: "bad-file" }));
  });

  test("tags of YAML make no objects", () => {
    const yaml = "templates:\n  a:\n    name: x\n    jinja: !!python/object/apply:os.system ['{{ text }} ||| y']\n";
    expect(() => parsePromptTemplates(yaml, "file")).toThrow(expect.objectContaining({ code: "bad-file" }));
  });

  test("keys that name a prototype are keys", () => {
    const json = parseStrictJson('{"__proto__":{"a":1},"constructor":2}', "file", { maxDepth: 4, maxKeys: 9 });
    expect(Object.keys(json as object)).toEqual(["__proto__", "constructor"]);
    expect(({} as { a?: number }).a).toBeUndefined();
  });

  test("no source makes code of text", async () => {
    const root = fileURLToPath(new URL("../src", import.meta.url));
    const names = (await readdir(root, { recursive: true })).filter((name) => name.endsWith(".ts"));
    const found: string[] = [];
    for (const name of names) {
      const text = await readFile(join(root, name), "utf8");
      if (/\beval\(|new Function\(|\bFunction\(/.test(text)) found.push(name);
    }
    expect(names.length).toBeGreaterThan(300);
    expect(found).toEqual([]);
  });
});

describe("S14: no template comes from a request", () => {
  test.each(["chat_template", "template", "chat_template_kwargs", "documents"])("%s is refused by name", (field) => {
    const body = { model: "m", messages: [{ role: "user", content: "a" }], [field]: "{{ 7*7 }}" };
    expect(chatRequest.safeParse(body).error?.issues[0]).toMatchObject({ code: "unrecognized_keys", keys: [field] });
  });
});

describe("S16: a body of a million faults costs little more than one of ten", () => {
  const zeros = `[${"0,".repeat(1_000_000)}0]`;
  const bodies = [
    [chatRequest, `{"model":"m","messages":${zeros}}`],
    [chatRequest, `{"model":"m","messages":[{"role":"user","content":${zeros}}]}`],
    [chatRequest, `{"model":"m","messages":[{"role":"user","content":"a"}],"stop":${zeros}}`],
    [conversationRequest, `{"messages":${zeros}}`],
    [contextRequest, `{"messages":${zeros},"keep":"5%"}`],
    [contextRequest, `{"text":"a","keep":"5%","fidelity":{"questions":${zeros}}}`],
  ] as const;

  test.each(bodies.map(([schema, body], i) => [i, schema, body] as const))("body %d", async (_, schema, body) => {
    const request = new Request("http://localhost/", {
      method: "POST",
      body,
      headers: { "Content-Type": "application/json" },
    });
    const begun = process.cpuUsage();
    const grown = await growthOf(() => readJson<unknown>(request, schema, 4 * MEBI));
    const { user, system } = process.cpuUsage(begun);
    // A list of a million numbers itself takes some tens of megabytes.
    expect(grown).toBeLessThan(160 * MEBI);
    expect(user + system).toBeLessThan(3_000_000);
  });
});

test("every promise of SECURITY.md is named by a test, and no test names another", async () => {
  const root = fileURLToPath(new URL(".", import.meta.url));
  const page = await readFile(join(root, "../SECURITY.md"), "utf8");
  const promised = [...page.matchAll(/^- \*\*(S\d+)\*\*/gm)].map(([, id]) => id);
  const named = new Set<string>();
  for (const name of await readdir(root, { recursive: true })) {
    if (!name.endsWith(".test.ts")) continue;
    const text = await readFile(join(root, name), "utf8");
    for (const [, id = ""] of text.matchAll(/^\s*(?:test|describe)(?:\.each\([^)]*\))?\(\s*"(S\d+): /gm)) named.add(id);
    // A title on a line of its own.
    for (const [, id = ""] of text.matchAll(/^\s*"(S\d+): [^"]+",$/gm)) named.add(id);
  }
  expect(promised.length).toBeGreaterThan(15);
  expect(new Set(promised).size).toBe(promised.length);
  expect([...named].sort()).toEqual([...promised].sort());
});

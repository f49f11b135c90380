import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, type TestContext, test } from "vitest";
import { isRaggedCache, type KvCache, slotsOf } from "../../src/cache/kv-cache.ts";
import { loadKvd, verifyKvd } from "../../src/cache/load-kvd.ts";
import { saveAdapter } from "../../src/cache/save-adapter.ts";
import { saveKvd } from "../../src/cache/save-kvd.ts";
import { compress } from "../../src/compress/compress-text.ts";
import { generate } from "../../src/generate/generate.ts";
import { distance, logitsOn, someIds, tinyAdapter, useTinyModel } from "../compress/tiny.ts";
import { tinyModel } from "../models/tiny-models.ts";
import { chromiumPath } from "../page/browser.ts";
import { bundlePage, type Reached } from "./bundle.ts";
import { launch } from "./launch.ts";
import { serveFolders, type StaticServer } from "./static-server.ts";

const TEXT = "the cat sat on the mat and the dog sat on the log";
const PROMPT = "where is the cat";
const TOKENS = 12;
/** Chromium starts, and its software adapter compiles shaders, in minutes on a busy machine. */
const TIME = 600_000;
const WEIGHTS = /\.(gguf|safetensors)$/;

const { model } = useTinyModel("llama");
let root = "";
let reached: Reached | undefined;
let server: StaticServer;
let bare: StaticServer;

/** What an adapter of one kind makes here, to which the page's is compared. */
interface InNode {
  readonly cache: KvCache;
  readonly ids: readonly number[];
}
/** Heads with equally many rows, and, as the package's adapter makes them, with different numbers. */
const SELECTIONS = ["per-head", "across-heads"] as const;
type Selection = (typeof SELECTIONS)[number];
const inNode = new Map<Selection, InNode>();
const madeInNode = (selection: Selection): InNode => {
  const made = inNode.get(selection);
  if (made === undefined) throw new Error("it is made before the tests run");
  return made;
};

async function idsOf(from: KvCache): Promise<number[]> {
  const chosen: number[] = [];
  const onToken = (id: number): void => void chosen.push(id);
  const pieces = generate(model(), { cache: from, prompt: PROMPT, maxTokens: TOKENS, onToken });
  while ((await pieces.next()).done !== true);
  return chosen;
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "kv-distill-browser-"));
  for (const selection of SELECTIONS) {
    const adapter = tinyAdapter(model(), { gate: "sigmoid", selection });
    await mkdir(join(root, selection));
    await saveAdapter(join(root, selection, "adapter"), adapter);
    const cache = await compress(model(), TEXT, { keep: 0.5, adapter });
    await saveKvd(join(root, selection, "node.kvd"), cache);
    inNode.set(selection, { cache, ids: await idsOf(cache) });
  }
  expect(isRaggedCache(madeInNode("across-heads").cache)).toBe(true);
  if (chromiumPath !== undefined) reached = await bundlePage(join(root, "page"));
  const folders = { "": join(root, "page"), models: join(tinyModel("llama"), ".."), files: root };
  server = await serveFolders(folders);
  bare = await serveFolders(folders, false);
}, TIME);
afterAll(async () => {
  await server.close();
  await bare.close();
  await rm(root, { recursive: true, force: true });
});

/** One Chromium for the tests of a group; a test that needs it is skipped, and says so, where there is none. */
function useChromium(webgpu: boolean): (context: TestContext, url?: string) => Promise<Page> {
  let browser: Browser | undefined;
  beforeAll(async () => {
    if (chromiumPath !== undefined) browser = await launch(chromiumPath, webgpu);
  }, TIME);
  afterAll(() => browser?.close());
  return async (context, url = server.url) => {
    if (browser === undefined) {
      const reason = "there is no Chromium on the PATH, nor a path to one in CHROMIUM";
      console.log(`skipped: ${context.task.name}: ${reason}`);
      return context.skip(reason);
    }
    const page = await browser.newPage();
    context.onTestFinished(() => page.close());
    await page.goto(url);
    return page;
  };
}

/** Runs JavaScript in the page; it has the library as `kv`, and `input`. It is given as text: it is not compiled as this file is. */
function inPage<T>(page: Page, input: object, code: string): Promise<T> {
  return page.evaluate(`(async (input) => { const kv = window.kvDistill; ${code} })(${JSON.stringify(input)})`);
}

const OPEN = `
  const options = { device: input.device, threads: input.threads, name: input.name };
  const model = await kv.loadModel(input.model ?? "models/llama.gguf", options);
  const adapter = await kv.loadAdapter("files/" + input.selection + "/adapter", { expectModel: model.files });`;
const IDS = `
  async function idsOf(cache) {
    const ids = [];
    const onToken = (id) => ids.push(id);
    for await (const piece of kv.generate(model, { cache, prompt: input.prompt, maxTokens: input.tokens, onToken }));
    return ids;
  }`;
/** Compresses and asks in the page, and gives out everything that can be compared. */
const EVERYTHING = `${OPEN}${IDS}
  const cache = await kv.compress(model, input.text, { keep: 0.5, adapter });
  const rows = await kv.readingCache(model, cache);
  const { data } = await model.forward({ ids: input.probe, cache: rows, logitRows: [...input.probe.keys()] });
  const fromNode = await kv.loadKvd("files/" + input.selection + "/node.kvd", { expectModel: model.files });
  const bytesOf = async (own) => Array.from(new Uint8Array(await (await kv.kvdBlob(own)).arrayBuffer()));
  const found = {
    device: model.device,
    hash: model.files.hash,
    tokenizerHash: model.files.tokenizerHash,
    ids: await idsOf(cache),
    idsOfNodeCache: await idsOf(fromNode),
    logits: Array.from(data),
    kvd: await bytesOf(cache),
    nodeKvd: await bytesOf(fromNode),
  };
  await model.close();
  return found;`;

interface Everything {
  readonly device: { readonly device: string; readonly threads: number; readonly reason: string };
  readonly hash: string;
  readonly tokenizerHash: string;
  readonly ids: number[];
  readonly idsOfNodeCache: number[];
  readonly logits: number[];
  readonly kvd: number[];
  readonly nodeKvd: number[];
}

const PROBE = someIds(5);
const input = (more: object): object => ({
  text: TEXT,
  prompt: PROMPT,
  tokens: TOKENS,
  probe: PROBE,
  name: model().files.name,
  selection: "per-head",
  ...more,
});

async function expectAsInNode(found: Everything, selection: Selection = "per-head"): Promise<void> {
  const { cache, ids } = madeInNode(selection);
  const nodeFile = join(root, selection, "node.kvd");
  expect(found.hash).toBe(model().files.hash);
  expect(found.tokenizerHash).toBe(model().files.tokenizerHash);
  expect(found.ids).toEqual(ids);
  expect(found.idsOfNodeCache).toEqual(await idsOf(await loadKvd(nodeFile)));
  expect(distance(Float32Array.from(found.logits), await logitsOn(model(), cache, PROBE))).toBeLessThan(1e-4);

  // What the page read from Node's file it writes byte for byte; its own file is whole, and Node answers from it as the page does.
  expect(Buffer.from(found.nodeKvd).equals(await readFile(nodeFile))).toBe(true);
  const path = join(root, `${found.device.device}.kvd`);
  await writeFile(path, Buffer.from(found.kvd));
  const { provenance } = await verifyKvd(path);
  expect(provenance).toEqual(cache.provenance);
  const own = await loadKvd(path, { expectModel: model().files });
  expect(own.positions).toEqual(cache.positions);
  expect(await idsOf(own)).toEqual(found.idsOfNodeCache);
}

test("the page and its worker reach nothing of Node, and no layer above", (context) => {
  if (reached === undefined) {
    const reason = "there is no Chromium, so the page was not built";
    console.log(`skipped: ${context.task.name}: ${reason}`);
    context.skip(reason);
  }
  expect([...(reached?.node ?? [])]).toEqual([]);
  const layers = new Set([...(reached?.own ?? [])].map((path) => path.split("/")[0]));
  expect([...layers].sort()).toEqual(
    [
      "browser",
      "cache",
      "compress",
      "formats",
      "generate",
      "graph",
      "models",
      "nn",
      "runtime",
      "tensor",
      "util",
    ].sort(),
  );
});

describe("WebAssembly", () => {
  const open = useChromium(false);

  test("threads: as in Node, and the second load asks for no weights", { timeout: TIME }, async (context) => {
    const page = await open(context);
    const asked = input({ device: "wasm", threads: 2 });
    const found = await inPage<Everything>(page, asked, EVERYTHING);
    expect(found.device).toMatchObject({ device: "wasm", threads: 2, reason: "asked for" });
    await expectAsInNode(found);
    expect(server.asked.filter((path) => WEIGHTS.test(path))).toHaveLength(3);

    server.asked.length = 0;
    await page.reload();
    const again = await inPage<Everything>(page, asked, EVERYTHING);
    expect(again.ids).toEqual(madeInNode("per-head").ids);
    expect(server.asked.filter((path) => WEIGHTS.test(path))).toEqual([]);

    // A stored file that was damaged is noticed, told and fetched again.
    const warnings = await inPage<string[]>(
      page,
      asked,
      `const store = await caches.open("kv-distill-1");
       for (const { url } of await store.keys()) {
         if (url.includes("llama.gguf") && url.endsWith("=0")) await store.put(url, new Response("damaged"));
       }
       const warnings = [];
       const onWarning = (message) => warnings.push(message);
       await (await kv.loadModel("models/llama.gguf", { device: "wasm", threads: 1, onWarning })).close();
       return warnings;`,
    );
    expect(warnings).toEqual([expect.stringContaining("is damaged and is fetched again")]);
    expect(server.asked.filter((path) => WEIGHTS.test(path))).toEqual(["/models/llama.gguf"]);
  });

  test("heads that keep different numbers of rows: as in Node", { timeout: TIME }, async (context) => {
    const page = await open(context);
    const asked = input({ device: "wasm", threads: 2, selection: "across-heads" });
    await expectAsInNode(await inPage<Everything>(page, asked, EVERYTHING), "across-heads");
  });

  test("the page's forms: load, compress, save, open, ask", { timeout: TIME }, async (context) => {
    const page = await open(context);
    page.setDefaultTimeout(TIME);
    await page.fill("#model", "models/llama.gguf");
    await page.fill("#adapter", "files/per-head/adapter");
    await page.selectOption("#device", "wasm");
    await page.click("#load button");
    await page.waitForSelector("#document:enabled");
    expect(await page.textContent("#loaded")).toMatch(/^llama on wasm, \d+ threads? \(asked for\)$/);

    await page.fill("#text", TEXT);
    await page.fill("#keep", "50");
    await page.click("#compress button");
    await page.waitForSelector("#save", { state: "visible" });
    const { cache } = madeInNode("per-head");
    expect(await page.textContent("#compressed")).toBe(`${slotsOf(cache)} of ${cache.contextLength} tokens`);
    const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save")]);
    const saved = join(root, download.suggestedFilename());
    await download.saveAs(saved);
    expect((await verifyKvd(saved)).provenance.modelHash).toBe(model().files.hash);

    await page.setInputFiles("#file", join(root, "per-head", "node.kvd"));
    await page.fill("#question", PROMPT);
    await page.fill("#most", TOKENS.toString());
    await page.click("#ask button");
    let answer = "";
    const own = await loadKvd(join(root, "per-head", "node.kvd"));
    for await (const piece of generate(model(), { cache: own, prompt: PROMPT, maxTokens: TOKENS })) answer += piece;
    await page.waitForFunction(`document.getElementById("answer").textContent === ${JSON.stringify(answer)}`);
  });

  test(
    "a Hugging Face folder is the same model, in a page that is not isolated",
    { timeout: TIME },
    async (context) => {
      const page = await open(context, bare.url);
      const found = await inPage<Pick<Everything, "device" | "hash" | "ids">>(
        page,
        input({ model: "models/llama" }),
        `${OPEN}${IDS}
       const ids = await idsOf(await kv.loadKvd("files/per-head/node.kvd"));
       return { device: model.device, hash: model.files.hash, ids };`,
      );
      expect(found.hash).toBe(model().files.hash);
      expect(found.ids).toEqual(await idsOf(await loadKvd(join(root, "per-head", "node.kvd"))));
      expect(found.device).toMatchObject({ device: "wasm", threads: 1 });
      expect(found.device.reason).toMatch(/no WebGPU: .*; one thread: the page is not cross-origin isolated/);
    },
  );

  test("what is wrong is told by the same errors", { timeout: TIME }, async (context) => {
    const page = await open(context, bare.url);
    const codes = await inPage<string[]>(
      page,
      input({}),
      `const model = await kv.loadModel("models/qwen2.gguf", { device: "wasm" });
       const adapter = await kv.loadAdapter("files/per-head/adapter");
       const damaged = new Uint8Array(await (await fetch("files/per-head/node.kvd")).arrayBuffer());
       damaged[damaged.length - 1] ^= 1;
       const tries = [
         () => kv.loadKvd("files/per-head/node.kvd", { expectModel: model.files }),
         () => kv.compress(model, input.text, { keep: 0.5, adapter }),
         () => kv.compress(model, input.text, { keep: 0.5 }),
         () => kv.loadKvd(damaged),
         () => kv.loadKvd("files/nowhere.kvd"),
         () => kv.loadModel("models/nowhere.gguf"),
         () => kv.loadModel("models/llama.gguf", { sha256: "0".repeat(64) }),
         () => kv.loadModel("models/llama.gguf", { device: "webgpu" }),
         () => kv.loadModel("models/llama.gguf", { device: "wasm", threads: 2 }),
         () => kv.loadModel("models/llama.gguf", { device: "cpu", threads: 0 }),
         () => kv.loadModel("http://127.0.0.1:1/llama.gguf"),
         async () => { await model.close(); return model.newCache(); },
       ];
       const codes = [];
       for (const attempt of tries) {
         codes.push(await attempt().then(() => "no error", (error) => (kv.isKvDistillError(error) ? error.code : String(error))));
       }
       return codes;`,
    );
    expect(codes).toEqual([
      "model-mismatch",
      "model-mismatch",
      "not-found",
      "checksum-mismatch",
      "not-found",
      "not-found",
      "checksum-mismatch",
      "device-unavailable",
      "device-unavailable",
      "bad-argument",
      "network",
      "bad-argument",
    ]);
  });
});

describe("WebGPU on Chromium's software adapter", () => {
  const open = useChromium(true);

  test("is taken where it is there, and answers as Node does", { timeout: TIME }, async (context) => {
    const page = await open(context);
    const found = await inPage<Everything>(page, input({}), EVERYTHING);
    expect(found.device).toEqual({ device: "webgpu", threads: 1, reason: "navigator.gpu gives an adapter" });
    await expectAsInNode(found);
  });

  test("so it does for heads that keep different numbers of rows", { timeout: TIME }, async (context) => {
    const page = await open(context);
    const found = await inPage<Everything>(page, input({ selection: "across-heads" }), EVERYTHING);
    await expectAsInNode(found, "across-heads");
  });
});

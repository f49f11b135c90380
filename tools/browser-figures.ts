/**
 * Figures for docs/browser.md: a real model in Chromium and the same work in Node, one after the other on this machine.
 * `node --import tsx tools/browser-figures.ts [wasm|webgpu] [tokens of the answer]`; the model is pulled before.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { compress, generate, loadModel } from "../src/index.ts";
import { pulledModel } from "../src/models/loading/resolve.ts";
import { bundlePage } from "../test/browser/bundle.ts";
import { launch } from "../test/browser/launch.ts";
import { serveFolders } from "../test/browser/static-server.ts";

const NAME = "smollm2-135m-instruct";
const KEEP = 0.25;
const fromHere = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const device = process.argv[2] ?? "wasm";
const maxTokens = Number(process.argv[3] ?? 32);
const [text = ""] = (await readFile(fromHere("../examples/galapagos.txt"), "utf8")).split("\n\n");
const prompt = "How many principal islands does the archipelago have?";
const place = await pulledModel(NAME);
if (place === undefined) throw new Error(`pull ${NAME} first`);

const seconds = (since: number): string => ((performance.now() - since) / 1000).toFixed(1);

async function inNode(): Promise<void> {
  const start = performance.now();
  const model = await loadModel(NAME, { threads: 2 });
  console.log(`node: loaded in ${seconds(start)} s`);
  const compressing = performance.now();
  const cache = await compress(model, text, { keep: KEEP });
  console.log(`node: ${cache.contextLength} tokens compressed in ${seconds(compressing)} s`);
  const ids: number[] = [];
  const times: number[] = [];
  const onToken = (id: number): void => {
    ids.push(id);
    times.push(performance.now());
  };
  let answer = "";
  for await (const piece of generate(model, { cache, prompt, maxTokens, onToken })) answer += piece;
  console.log(`node: ${rate(times)} tokens/s: ${JSON.stringify(answer)} ${JSON.stringify(ids)}`);
  await model.close();
}

const rate = (times: readonly number[]): string =>
  ((times.length - 1) / (((times.at(-1) ?? 0) - (times[0] ?? 0)) / 1000)).toFixed(2);

/** What the page does, as text: it runs there, not here. */
const script = `(async ({ device, text, prompt, maxTokens, keep }) => {
  const { compress, generate, loadAdapter, loadModel } = window.kvDistill;
  const start = performance.now();
  const model = await loadModel("models/model.gguf", { device, name: "${NAME}" });
  const loaded = performance.now();
  const adapter = await loadAdapter("adapters/${NAME}/", { expectModel: model.files });
  const attached = performance.now();
  const result = { device: model.device, load: (loaded - start) / 1000, adapter: (attached - loaded) / 1000 };
  if (maxTokens > 0) {
    const cache = await compress(model, text, { keep, adapter });
    result.compress = (performance.now() - attached) / 1000;
    result.tokens = cache.contextLength;
    result.ids = [];
    result.times = [];
    result.answer = "";
    const onToken = (id) => { result.ids.push(id); result.times.push(performance.now()); };
    for await (const piece of generate(model, { cache, prompt, maxTokens, onToken })) result.answer += piece;
  }
  await model.close();
  return result;
})`;

interface InPage {
  readonly ids?: number[];
  readonly times?: number[];
  readonly load: number;
  readonly adapter: number;
}

async function inBrowser(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "kv-distill-browser-"));
  await bundlePage(folder);
  const models = dirname(place?.path ?? "");
  const server = await serveFolders({ "": folder, models, adapters: fromHere("../adapters") });
  const browser = await launch(process.env.CHROMIUM ?? "/usr/bin/chromium", device === "webgpu");
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(0);
    for (const tokens of [maxTokens, 0]) {
      await page.goto(server.url);
      server.asked.length = 0;
      const input = JSON.stringify({ device, text, prompt, maxTokens: tokens, keep: KEEP });
      const { times, ...result } = await page.evaluate<InPage>(`${script}(${input})`);
      console.log(`browser: ${JSON.stringify(result)}`);
      if (times !== undefined) console.log(`browser: ${rate(times)} tokens/s`);
      console.log(
        `browser: asked for ${server.asked.filter((path) => !path.startsWith("/assets")).join(" ") || "nothing"}`,
      );
    }
  } finally {
    await browser.close();
    await server.close();
    await rm(folder, { recursive: true, force: true });
  }
}

await inBrowser();
await inNode();

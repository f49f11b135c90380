// This package's side of the proof: caches of one text, saved and exported as a person would, and its own answers from them.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { text as allOf } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { loadAdapter } from "../../../src/cache/load-adapter.ts";
import { loadKvd } from "../../../src/cache/load-kvd.ts";
import { isPerHead, slotsOf } from "../../../src/cache/kv-cache.ts";
import { saveKvd } from "../../../src/cache/save-kvd.ts";
import { findShippedAdapter } from "../../../src/cache/shipped-adapter.ts";
import { runCli } from "../../../src/cli/run.ts";
import { compress } from "../../../src/compress/compress-text.ts";
import { attachAdapter } from "../../../src/compress/loaded-adapter.ts";
import { decode } from "../../../src/generate/decode.ts";
import { readingCache } from "../../../src/generate/generate.ts";
import { GREEDY, logProbabilities } from "../../../src/generate/sample.ts";
import { passagePromptOf } from "../../../src/models/load-model.ts";
import { randomFromSeed } from "../../../src/util/random.ts";

const galapagos = fileURLToPath(new URL("../../../examples/galapagos.txt", import.meta.url));

/** What is compressed and asked: one paragraph. */
export const GALAPAGOS = {
  text: readFileSync(galapagos, "utf8").split("\n\n")[0],
  questions: ["How many principal islands are there?", "Why are the southern sides of the craters lower?"],
};

/** Caches that differ in what matters: no gaps; gaps, the same tokens everywhere; tokens of its own for every head, encoded by an adapter. */
export const CACHES = [
  { name: "full", method: "full", keep: 1 },
  { name: "streaming", method: "streaming", keep: 0.25 },
  { name: "kv-distill", method: "kv-distill", keep: 0.25 },
];

/** @returns {Promise<{ name, kvd, rows, contextLength, perHead, tokenIds, questions, answers: { ids, logProbs: Float32Array[] }[] }[]>} */
export async function makeCases(model, { text, questions: asked, caches }, folder, steps) {
  const prompt = passagePromptOf(model.files, "plain");
  const questions = asked.map((question) => prompt.questionIds(question));
  const cases = [];
  for (const { name, method, keep } of caches) {
    const kvd = join(folder, `${name}.kvd`);
    await saveKvd(kvd, await compress(model, text, { method, keep, exportable: true }));
    // What is compared is what the file holds: F16.
    const cache = await loadKvd(kvd, { expectModel: model.files });
    const rows = await readingCache(model, cache);
    const { length, position } = rows;
    const answers = [];
    for (const question of questions) {
      const options = { maxTokens: steps, stopIds: [], sampling: GREEDY, random: randomFromSeed(0) };
      const ids = [];
      for await (const id of decode(model, rows, question, options)) ids.push(id);
      rows.truncate(length, position);
      const read = [...question, ...ids.slice(0, -1)];
      answers.push({ ids, logProbs: await logProbs(model, rows, read, read.length - steps) });
      rows.truncate(length, position);
    }
    rows.release();
    const { contextLength, tokenIds } = cache;
    cases.push({
      name,
      kvd,
      rows: slotsOf(cache),
      contextLength,
      perHead: isPerHead(cache),
      tokenIds: Array.from(tokenIds),
      questions,
      answers,
    });
  }
  return cases;
}

/** `kv-distill export`: the files that it wrote. */
export async function exported(kvd, to, model, output, ...options) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const written = Promise.all([allOf(stdout), allOf(stderr)]);
  const args = ["export", kvd, "--to", to, "--model", model, "--output", output, "--json", ...options];
  const code = await runCli(args, { stdout, stderr });
  stdout.end();
  stderr.end();
  const [out, err] = await written;
  if (code !== 0) throw new Error(err);
  return JSON.parse(out).files;
}

/** The shipped adapter on every token of a text, as PEFT applies it, and the frozen model. */
export async function makeAdapterCase(model, text) {
  const adapter = await findShippedAdapter(model.files.hash, { exportable: true });
  if (adapter === undefined) return undefined;
  const ids = passagePromptOf(model.files, "plain").contextIds(text).slice(0, 64);
  const attached = await attachAdapter(model, await loadAdapter(adapter));
  const read = async (extra) => {
    const cache = await model.newCache();
    const rows = await logProbs(model, cache, ids, 0, extra);
    const layers = await cache.download();
    cache.release();
    return { logProbs: rows, layers };
  };
  const base = await read({});
  const adapted = await read({ adapter: { lora: attached.lora, routed: new Float32Array(ids.length).fill(1) } });
  attached.release();
  return { adapter, ids, base, adapted };
}

/** Log-probabilities after each token of `ids` from index `first` on, on top of a cache. */
async function logProbs(model, cache, ids, first, extra = {}) {
  const logitRows = Array.from({ length: ids.length - first }, (_, i) => first + i);
  const { data, dims } = await model.forward({ ids, cache, logitRows, ...extra });
  return logitRows.map((_, i) => Float32Array.from(logProbabilities(data.subarray(i * dims[1], (i + 1) * dims[1]))));
}

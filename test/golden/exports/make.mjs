// What other programs answer from exported caches of a tiny model, each through the loader that is exported with them:
//   node tools/peers/setup.mjs node-llama-cpp torch transformers-js mlx
//   node --import tsx test/golden/exports/make.mjs [PROGRAM …]        (the others' answers stay as they are)
// Writes NAME.kvd, answers.json (ids, and sha256 of all files that were read) and answers.safetensors (log-probabilities of every step).
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { floatTensor } from "../../../src/formats/safetensors/float-tensor.ts";
import { openSafetensors } from "../../../src/formats/safetensors/open.ts";
import { readTensorFloats } from "../../../src/formats/safetensors/read.ts";
import { writeSafetensors } from "../../../src/formats/safetensors/write.ts";
import { loadModel } from "../../../src/models/load-model.ts";
import { readRows } from "../../../tools/peers/exports/compare.mjs";
import { exported, makeCases } from "../../../tools/peers/exports/ours.mjs";
import { ask, NODE_MODULES } from "../../../tools/peers/exports/programs.mjs";
import { request } from "../../../tools/peers/exports/proof.mjs";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const [folderModel, ggufModel] = [at("../gguf-models/llama"), at("../gguf-models/llama.gguf")];
const STEPS = 8;
const ASKED = {
  text: "the cat sat on the mat and the dog sat on the log in 2019",
  questions: ["who sat on the log"],
  caches: [
    { name: "shared", method: "streaming", keep: 0.5 },
    { name: "per-head", method: "keydiff", keep: 0.5 },
  ],
};
const sha256 = (path) => createHash("sha256").update(readFileSync(path)).digest("hex");

const folder = mkdtempSync(join(tmpdir(), "kv-distill-golden-"));
const model = await loadModel(folderModel, { threads: 1 });
const cases = await makeCases(model, ASKED, folder, STEPS);
const { files } = model;
await model.close();
const setting = { files, model: folderModel, threads: 1, steps: STEPS };
const programs = ["transformers", "transformers.js", "mlx", "llama.cpp"];
const wanted = process.argv.length > 2 ? process.argv.slice(2) : programs;
const record = { steps: STEPS, questions: cases[0].questions, programs: {} };
const tensors = [];
const [before, tensorsBefore] = wanted.length < programs.length ? await earlier() : [];
for (const name of programs) {
  if (!wanted.includes(name)) {
    record.programs[name] = before.programs[name];
    tensors.push(...tensorsBefore.filter((own) => own.name.startsWith(`${name}/`)));
    continue;
  }
  const work = join(folder, name);
  mkdirSync(work);
  if (name === "transformers.js") symlinkSync(NODE_MODULES, join(work, "node_modules"));
  const asked = [];
  const read = {};
  for (const { name: cacheName, kvd, questions, answers } of cases) {
    const out = join(work, cacheName);
    const output = name === "llama.cpp" ? `${out}.llama-state` : `${out}.safetensors`;
    const [cache, loader] = await exported(kvd, name, folderModel, output);
    const follow = answers.map(({ ids }) => ids);
    asked.push({ name: cacheName, cache, loader, control: false, flashAttention: false, questions, follow, out });
    read[cacheName] = sha256(cache);
    if (loader !== undefined) read.loader = sha256(loader);
  }
  const extra = name === "llama.cpp" ? { gguf: ggufModel, contextSize: 128 } : {};
  const { versions, answers } = await ask(name, { ...request(setting, asked), ...extra }, work);
  const ids = {};
  for (const { name: cacheName } of cases) {
    const [{ ids: own, logProbs }] = answers[cacheName];
    ids[cacheName] = own;
    const rows = readRows(logProbs, files.config.vocabSize);
    const all = Float32Array.from(rows.flatMap((row) => Array.from(row)));
    tensors.push(floatTensor(`${name}/${cacheName}`, [rows.length, files.config.vocabSize], all));
  }
  record.programs[name] = { versions, read, ids };
}
for (const { name, kvd } of cases) await copyFile(kvd, at(`${name}.kvd`));
writeFileSync(at("answers.json"), `${JSON.stringify(record, null, 2)}\n`);
await writeSafetensors(at("answers.safetensors"), tensors);
rmSync(folder, { recursive: true });
process.exit(0);

async function earlier() {
  const kept = [];
  for (const entry of (await openSafetensors(at("answers.safetensors"))).entries.values()) {
    kept.push(floatTensor(entry.name, entry.shape, await readTensorFloats(entry)));
  }
  return [JSON.parse(readFileSync(at("answers.json"), "utf8")), kept];
}

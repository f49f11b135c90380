import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadKvd } from "../../../src/cache/load-kvd.ts";
import { isPerHead, slotsOf } from "../../../src/cache/kv-cache.ts";
import { openSafetensors } from "../../../src/formats/safetensors/open.ts";
import { readTensorFloats } from "../../../src/formats/safetensors/read.ts";
import { readingCache } from "../../../src/generate/generate.ts";
import { argmax, logProbabilities } from "../../../src/generate/sample.ts";
import type { LanguageModel } from "../../../src/models/language-model.ts";
import { loadModel } from "../../../src/models/load-model.ts";
import { runCli } from "../../cli/run-cli.ts";
import { tinyModel } from "../../models/tiny-models.ts";

// What the programs themselves answered from these files (test/golden/exports/make.mjs). tools/peers/prove-exports.mjs asks them about
// the real model.

const golden = (name: string): string => join(import.meta.dirname, "../../golden/exports", name);
const { steps, questions, programs } = JSON.parse(await readFile(golden("answers.json"), "utf8")) as {
  readonly steps: number;
  readonly questions: readonly (readonly number[])[];
  readonly programs: Readonly<Record<string, Program>>;
};
interface Program {
  readonly read: Readonly<Record<string, string>>;
  readonly ids: Readonly<Record<string, readonly number[]>>;
}
/** llama.cpp multiplies F16 weights with activations rounded to F16, and keeps keys and values in F16: 0.017 was seen. */
const TOLERANCE: Readonly<Record<string, number>> = { "llama.cpp": 0.03 };
const [question = []] = questions;
const llama = tinyModel("llama");

let folder = "";
let model: LanguageModel;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kv-distill-programs-"));
  model = await loadModel(llama, { threads: 1 });
});
afterAll(async () => {
  await model.close();
  await rm(folder, { recursive: true });
});

test("the caches have gaps; one of them in every head its own", async () => {
  for (const name of ["shared", "per-head"]) {
    const cache = await loadKvd(golden(`${name}.kvd`), { expectModel: model.files });
    expect(isPerHead(cache)).toBe(name === "per-head");
    expect(slotsOf(cache)).toBeLessThan(cache.contextLength);
  }
});

describe.each(Object.entries(programs))("%s", (to, { read, ids }) => {
  test.each(["shared", "per-head"])("reads what is exported today: %s", async (name) => {
    const output = join(folder, `${to}-${name}`);
    const args = ["export", golden(`${name}.kvd`), "--to", to, "--model", llama, "--output", output, "--json"];
    const run = await runCli(args);
    expect(run.code, run.stderr).toBe(0);
    const [cache = "", loader] = (JSON.parse(run.stdout) as { files: string[] }).files;
    expect(await sha256(cache)).toBe(read[name]);
    // A loader that was changed must be run in its program again.
    if (loader !== undefined) expect(await sha256(loader)).toBe(read.loader);
  });

  test.each(["shared", "per-head"])("answers as we do: %s", async (name) => {
    const theirs = await rowsOf(`${to}/${name}`);
    const chosen = ids[name] ?? [];
    expect(chosen).toHaveLength(steps);
    const rows = await readingCache(model, await loadKvd(golden(`${name}.kvd`)));
    const read = [...question, ...chosen.slice(0, -1)];
    const logitRows = chosen.map((_, i) => question.length - 1 + i);
    const { data } = await model.forward({ ids: read, cache: rows, logitRows });
    rows.release();
    const width = data.length / steps;
    chosen.forEach((id, step) => {
      const ours = logProbabilities(data.subarray(step * width, (step + 1) * width));
      const other = theirs.subarray(step * width, (step + 1) * width);
      expect(argmax(ours)).toBe(id);
      const apart = Math.max(...ours.map((value, i) => Math.abs(value - (other[i] ?? NaN))));
      expect(apart).toBeLessThan(TOLERANCE[to] ?? 1e-4);
    });
  });
});

async function sha256(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}

async function rowsOf(name: string): Promise<Float32Array> {
  const entry = (await openSafetensors(golden("answers.safetensors"))).entries.get(name);
  if (entry === undefined) throw new Error(`no ${name}`);
  return readTensorFloats(entry);
}

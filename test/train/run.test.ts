import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { loadAdapter } from "../../src/cache/load-adapter.ts";
import type { ModelFiles } from "../../src/models/model-files.ts";
import { runTraining } from "../../src/train/run.ts";
import { openTinyLlama, readRun, runOptions, tempFolder, tinyConfig, writeTinyData } from "./run-setup.ts";

const folder = tempFolder();
let files: ModelFiles;
let data: string;
const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  files = await openTinyLlama(folder);
  data = await writeTinyData(folder);
});

test("six steps straight are three steps, a stop, and three steps more: parameters, moments and metrics", async () => {
  const straight = await runTraining(runOptions(files, data, at("straight")));
  expect(straight).toMatchObject({ step: 6, finished: true });

  const stop = new AbortController();
  const first = await runTraining(
    runOptions(files, data, at("stopped"), {
      signal: stop.signal,
      onStep: ({ step }) => {
        if (step === 3) stop.abort();
      },
    }),
  );
  expect(first).toMatchObject({ step: 3, finished: false });
  const second = await runTraining(runOptions(files, data, at("stopped"), { resume: true }));
  expect(second).toMatchObject({ step: 6, finished: true });

  const [a, b] = [await readRun(at("straight"), 6), await readRun(at("stopped"), 6)];
  expect(a.metrics.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(b.metrics).toEqual(a.metrics);
  expect(b.state.equals(a.state)).toBe(true);
  expect((await readFile(join(at("straight"), "adapter", "adapter_model.safetensors"))).byteLength).toBeGreaterThan(0);
  await loadAdapter(join(at("stopped"), "adapter"), { expectModel: files });
});

test("the folder of a run", async () => {
  const out = at("folder");
  await runTraining(runOptions(files, data, out, { command: ["train", "--out", "folder"] }));
  expect((await readdir(out)).sort()).toEqual([
    "adapter",
    "checkpoints",
    "config.json",
    "loss-curve.svg",
    "metrics.jsonl",
    "run.json",
  ]);
  expect((await readdir(join(out, "checkpoints"))).sort()).toEqual(["step-4", "step-6"]);
  expect(JSON.parse(await readFile(join(out, "config.json"), "utf8"))).toEqual(tinyConfig());
  await runTraining(runOptions(files, data, out, { resume: true, command: ["train", "--resume"] }));
  expect(JSON.parse(await readFile(join(out, "run.json"), "utf8"))).toMatchObject({
    model: { hash: files.hash },
    data: { files: [data], examples: 10 },
    sessions: [
      { fromStep: 0, threads: 1, command: ["train", "--out", "folder"] },
      { fromStep: 6, threads: 1, command: ["train", "--resume"] },
    ],
  });
  const curve = await readFile(join(out, "loss-curve.svg"), "utf8");
  for (const name of ["loss", "forward KL", "reverse KL", "6 of 6 steps"]) expect(curve).toContain(name);
});

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, test, vi } from "vitest";
import { randomFromSeed } from "../../src/util/random.ts";
import type { Adapter } from "../../src/cache/adapter.ts";
import { loadAdapter } from "../../src/cache/load-adapter.ts";
import type { ModelFiles } from "../../src/models/model-files.ts";
import { openModel } from "../../src/models/open.ts";
import { settingsFrom } from "../../src/train/check-run.ts";
import { parseTrainConfig, type TrainConfig } from "../../src/train/config.ts";
import { runTraining } from "../../src/train/run.ts";
import { readRunConfig } from "../../src/train/run-files.ts";
import { editJson } from "../models/tiny-models.ts";
import type { NotFiniteReport } from "../../src/train/not-finite.ts";
import { errorOf } from "../runtime/expect-error.ts";
import { tempFolder } from "./temp-folder.ts";
import { readRun, runOptions, tinyConfig, writeTinyData, writeTinyLlama } from "./tiny-run.ts";

vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });

const folder = tempFolder();
let model: string;
let files: ModelFiles;
let data: string;
const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  process.env.KV_DISTILL_HOME = at("home");
  model = await writeTinyLlama(folder);
  files = await openModel(model);
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

test("numbers that are none end the run with a report; the last checkpoint stays, however often it is tried again", async () => {
  const out = at("diverged");
  const config = tinyConfig({ learningRate: 1e30, warmupSteps: 1 });
  const notes: string[] = [];
  const changes = { config, onNote: (line: string) => notes.push(line) };
  const last = join(out, "checkpoints", "step-0", "state.safetensors");
  await errorOf(runTraining(runOptions(files, data, out, changes)), "not-finite");
  const saved = await readFile(last);
  for (let i = 0; i < 2; i++) {
    expect(await readdir(join(out, "checkpoints"))).toEqual(["step-0"]);
    expect((await readFile(last)).equals(saved)).toBe(true);
    const report = JSON.parse(await readFile(join(out, "not-finite-report.json"), "utf8")) as NotFiniteReport;
    expect(report).toMatchObject({ step: 2, learningRate: expect.any(Number) as number });
    expect(report.passages).toHaveLength(3);
    expect(report.parameters.norm).toBeGreaterThan(1e20);
    expect(notes.at(-1)).toContain("step 2 is described in");
    await errorOf(runTraining(runOptions(files, data, out, { ...changes, resume: true })), "not-finite");
  }
});

test("a run of a version that had fewer settings goes on with what it computed then", async () => {
  const config = tinyConfig({ strengthExponent: 0, scorerProbes: "questions" });
  const straight = at("older-straight");
  await runTraining(runOptions(files, data, straight, { config }));
  const out = at("older");
  const stop = new AbortController();
  const onStep = ({ step }: { step: number }): void => {
    if (step === 3) stop.abort();
  };
  await runTraining(runOptions(files, data, out, { config, signal: stop.signal, onStep }));
  const names = [
    "config.json",
    ...(await readdir(join(out, "checkpoints"))).map((step) => `checkpoints/${step}/checkpoint.json`),
  ];
  for (const name of names) {
    await editJson(join(out, name), (json) => {
      const settings = (json.config ?? json) as Record<string, unknown>;
      delete settings.strengthExponent;
      delete settings.scorerProbes;
    });
  }
  const resumed = await runTraining(runOptions(files, data, out, { config: await readRunConfig(out), resume: true }));
  expect(resumed).toMatchObject({ step: 6, finished: true });
  const [a, b] = [await readRun(straight, 6), await readRun(out, 6)];
  expect(b.metrics).toEqual(a.metrics);
  expect(b.state.equals(a.state)).toBe(true);
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

/** A process that trains; killed a random while after its `killAfter`-th step. */
async function child(out: string, killAfter: number, wait: number): Promise<{ steps: number[]; code: number | null }> {
  const script = fileURLToPath(new URL("run-child.ts", import.meta.url));
  const started = spawn(process.execPath, ["--import", "tsx", script, model, data, out], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const steps: number[] = [];
  started.stdout.setEncoding("utf8").on("data", (text: string) => {
    steps.push(...text.trim().split("\n").map(Number));
    if (steps.length >= killAfter) setTimeout(() => started.kill("SIGKILL"), wait);
  });
  const [code] = (await once(started, "close")) as [number | null];
  return { steps, code };
}

test("killed with -9 while it trains and saves, a run resumes and ends as the straight run", async () => {
  const straight = at("straight-child");
  await runTraining(runOptions(files, data, straight));
  const out = at("killed");
  const random = randomFromSeed(Date.now() % 1000);
  let last: { steps: number[]; code: number | null } = { steps: [], code: null };
  for (const killAfter of [1, 2, 2]) {
    last = await child(out, killAfter, random.integer(60));
    if (last.code === 0) break;
  }
  // It may have come to its end before the kill.
  if (last.code !== 0) last = await child(out, Infinity, 0);
  expect(last.code).toBe(0);
  const [a, b] = [await readRun(straight, 6), await readRun(out, 6)];
  expect(b.metrics).toEqual(a.metrics);
  expect(b.state.equals(a.state)).toBe(true);
  expect(await readFile(join(out, "adapter", "kv-distill.json"), "utf8")).toBe(
    await readFile(join(straight, "adapter", "kv-distill.json"), "utf8"),
  );
});

test("without --resume a run is not written over", async () => {
  await expect(runTraining(runOptions(files, data, at("straight")))).rejects.toMatchObject({ code: "bad-argument" });
});

test("settings that the model, the data or the adapter to start from cannot have: all told at once", async () => {
  const start = await loadAdapter(join(at("straight"), "adapter"));
  const config = tinyConfig({ eta: 3, rank: 5 });
  await expect(runTraining(runOptions(files, data, at("misfit"), { config, start }))).rejects.toMatchObject({
    code: "bad-argument",
    facts: {
      faults: [
        "eta: 3 blocks, the model has 2",
        "rank: 5, the adapter to start from has 2",
        "eta: 3, the adapter to start from has 1",
      ],
    },
  });
});

test("a run whose heads share a budget starts from the scorer of one whose heads do not", async () => {
  const perHead = tinyConfig({ selection: "per-head", strengthExponent: 0 });
  await runTraining(runOptions(files, data, at("per-head"), { config: perHead }));
  const start = await loadAdapter(join(at("per-head"), "adapter"));
  expect(parseTrainConfig(settingsFrom(start))).toMatchObject({
    rank: 2,
    eta: 1,
    selection: "per-head",
    strengthExponent: 0,
    scorerStart: "none",
  });
  const settings = {
    selection: "across-heads",
    scorerStart: "attention",
    scorerProbes: "turns",
    scorerPassages: 4,
  } as const;
  // Nothing moves but what is made before the first step.
  const still = {
    steps: 1,
    warmupSteps: 1,
    learningRate: 1e-12,
    scorerLearningRate: 1e-12,
    scorerFitLearningRate: 1e-12,
  };
  const adapterOf = async (name: string, changes: Partial<TrainConfig>): Promise<Adapter> => {
    const config = tinyConfig({ ...settings, ...still, ...changes });
    await runTraining(runOptions(files, data, at(name), { config, start }));
    return loadAdapter(join(at(name), "adapter"), { expectModel: files });
  };
  const [kept, fresh] = [await adapterOf("across", {}), await adapterOf("across-new", { initialLora: "new" })];
  for (const { config, scorer } of [kept, fresh]) {
    expect(config.selection).toBe("across-heads");
    expect(largestDistance(scorer["fc1.weight"], start.scorer["fc1.weight"])).toBeLessThan(1e-3);
    // Calibrated: heads are told apart.
    expect(largestDistance(scorer["fc2.bias"], start.scorer["fc2.bias"])).toBeGreaterThan(0.1);
  }
  for (const [path, { b }] of start.lora) {
    expect(largestDistance(kept.lora.get(path)?.b ?? [], b)).toBeLessThan(1e-3);
    expect(Math.max(...(fresh.lora.get(path)?.b ?? [NaN]).map(Math.abs))).toBeLessThan(1e-6);
  }
  expect(Math.max(...[...start.lora.values()].flatMap(({ b }) => [...b].map(Math.abs)))).toBeGreaterThan(1e-3);

  const config = tinyConfig({ selection: "shared" });
  await expect(runTraining(runOptions(files, data, at("misfit"), { config, start }))).rejects.toMatchObject({
    facts: { faults: ["selection: shared, the adapter to start from has per-head"] },
  });
});

test("choices that the paper leaves open are those of the adapter, and of a run that starts from it", async () => {
  const choices = {
    routing: "all",
    sinkGate: "score",
    foldPositions: "fold",
    foldCut: "full",
    scorerNorm: "none",
    scorerActivation: "gelu-tanh",
    scorerWidth: 3,
  } as const;
  const still = { scorerStart: "none", scorerBias: -1, scorerLearningRate: 1e-12 } as const;
  const config = tinyConfig({ ...choices, ...still, loraScale: "plain" });
  await runTraining(runOptions(files, data, at("chosen"), { config }));
  const start = await loadAdapter(join(at("chosen"), "adapter"), { expectModel: files });
  expect(start.config).toMatchObject({ ...choices, useRslora: false });
  expect([...start.scorer["fc2.bias"]]).toEqual(Array.from(start.scorer["fc2.bias"], () => -1));
  expect(parseTrainConfig(settingsFrom(start))).toMatchObject({ ...choices, loraScale: "plain" });
  const others = runOptions(files, data, at("others"), { config: tinyConfig({}), start });
  await expect(runTraining(others)).rejects.toMatchObject({
    facts: {
      faults: [
        "scorerNorm: layer, the adapter to start from has none",
        "scorerActivation: gelu, the adapter to start from has gelu-tanh",
        expect.stringMatching(/^scorerWidth: \d+, the adapter to start from has 3$/),
        "loraScale: rank-stabilised, the adapter to start from has plain",
      ],
    },
  });
  const going = tinyConfig({ ...settingsFrom(start), steps: 1, warmupSteps: 1 });
  await runTraining(runOptions(files, data, at("going"), { config: going, start }));
  expect((await loadAdapter(join(at("going"), "adapter"))).config).toMatchObject(choices);
});

function largestDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  return Math.max(...Array.from(a).map((value, i) => Math.abs(value - (b[i] ?? NaN))));
}

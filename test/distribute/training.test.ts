import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { gradientsLoop } from "../../src/distribute/training/gradients.ts";
import { LATE } from "../../src/distribute/jobs/payload.ts";
import type { Crew } from "../../src/distribute/training/crew.ts";
import { dilocoLoop } from "../../src/distribute/training/diloco.ts";
import { openLocalCrew } from "../../src/distribute/training/local-crew.ts";
import { openModel } from "../../src/models/open.ts";
import type { ModelFiles } from "../../src/models/model-files.ts";
import { createRuntime, type Runtime } from "../../src/runtime/runtime.ts";
import type { TrainConfig } from "../../src/train/config.ts";
import { runTraining, type TrainingRunOptions } from "../../src/train/run.ts";
import { openSafetensors } from "../../src/formats/safetensors/open.ts";
import { readParameterTensors } from "../../src/train/parameter-file.ts";
import type { StepReport } from "../../src/train/trainer.ts";
import type { TrainingLoop } from "../../src/train/training-loop.ts";
import { tempFolder } from "../train/temp-folder.ts";
import { readRun, runOptions, tinyConfig, writeTinyData, writeTinyLlama } from "../train/tiny-run.ts";

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const folder = tempFolder();
const at = (name: string): string => join(folder, name);
let files: ModelFiles;
let data: string;
let runtime: Runtime;
let opened = 0;

beforeAll(async () => {
  process.env.KV_DISTILL_HOME = at("home");
  files = await openModel(await writeTinyLlama(folder));
  data = await writeTinyData(folder);
  runtime = await createRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

/** A run whose loop has a crew of this process. */
async function run(
  out: string,
  config: TrainConfig,
  loop: (crew: Crew) => TrainingLoop,
  changes: Partial<TrainingRunOptions> = {},
): Promise<{ reports: StepReport[]; notes: string[] }> {
  const place = at(`crew-${opened++}`);
  const crew = await openLocalCrew(runtime, files, place);
  const [reports, notes]: [StepReport[], string[]] = [[], []];
  try {
    await runTraining(
      runOptions(files, data, at(out), {
        config,
        loop: loop(crew),
        onStep: (report) => reports.push(report),
        onNote: (line) => notes.push(line),
        ...changes,
      }),
    );
  } finally {
    await crew.end();
  }
  expect(await readdir(folder)).not.toContain(place);
  return { reports, notes };
}

const diloco = (changes: Partial<TrainConfig> = {}): TrainConfig =>
  tinyConfig({ sync: "diloco", parts: 2, innerSteps: 2, batch: 2, microBatch: 2, ...changes });

test("gradients by jobs, one a micro-batch: the run of one machine, bit for bit", async () => {
  const config = tinyConfig({ microBatch: 1, steps: 3 });
  await runTraining(runOptions(files, data, at("alone"), { config }));
  await run("jobs", config, gradientsLoop);
  const [a, b] = [await readRun(at("alone"), 3), await readRun(at("jobs"), 3)];
  expect(b.metrics).toEqual(a.metrics);
  expect(b.state.equals(a.state)).toBe(true);
});

test("one part, one step a round and a plain outer step: training as on one machine, rounding aside", async () => {
  const same = { batch: 3, microBatch: 3, steps: 4 };
  await runTraining(runOptions(files, data, at("plain"), { config: tinyConfig(same) }));
  const config = diloco({ ...same, parts: 1, innerSteps: 1, outerLearningRate: 1, outerMomentum: 0 });
  await run("one-part", config, (crew) => dilocoLoop(crew));
  const [a, b] = [await readRun(at("plain"), 4), await readRun(at("one-part"), 4)];
  for (const [i, own] of b.metrics.entries()) {
    const wanted = a.metrics[i];
    for (const key of ["loss", "forwardKl", "reverseKl"]) expect(own[key]).toBeCloseTo(wanted?.[key] as number, 4);
    for (const key of ["epoch", "keep", "tokens", "learningRate"]) expect(own[key]).toEqual(wanted?.[key]);
  }
});

test("a run in parts that is stopped goes on as if it had not been: parameters, momentum, parts, metrics", async () => {
  const config = diloco({ deltas: "int8" });
  const straight = await run("straight", config, (crew) => dilocoLoop(crew));
  expect(straight.reports.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
  const stop = new AbortController();
  await run("stopped", config, (crew) => dilocoLoop(crew), {
    signal: stop.signal,
    onStep: ({ step }) => {
      if (step === 2) stop.abort();
    },
  });
  expect(await readdir(at("stopped/checkpoints"))).toEqual(["step-0", "step-2"]);
  await run("stopped", config, (crew) => dilocoLoop(crew), { resume: true });
  const [a, b] = [await readRun(at("straight"), 6), await readRun(at("stopped"), 6)];
  expect(b.metrics).toEqual(a.metrics);
  expect(a.metrics[1]).toMatchObject({ step: 2, round: { parts: [0, 1], dropped: [] } });
  expect(b.state.equals(a.state)).toBe(true);
  for (const part of [0, 1]) {
    const name = `checkpoints/step-6/part-${part}.safetensors`;
    const [own, other] = await Promise.all(["straight", "stopped"].map((out) => openSafetensors(join(at(out), name))));
    const read = (file: typeof own) => (file === undefined ? undefined : readParameterTensors(file, ""));
    expect(await read(own)).toEqual(await read(other));
  }
});

test("a part that is late is listed, keeps its place in the data, and takes its steps in the next round", async () => {
  const config = diloco({ steps: 4 });
  const seen: (readonly unknown[])[] = [];
  let rounds = 0;
  const { reports, notes } = await run("late", config, (crew) =>
    dilocoLoop({
      ...crew,
      round: async (round) => {
        const outcomes = await crew.round({
          ...round,
          jobs: async (place) => {
            const jobs = await round.jobs(place);
            seen.push(jobs.map((job) => (job as { batches: { sha256: string } }).batches.sha256));
            return jobs;
          },
        });
        return ++rounds === 1 ? outcomes.map((outcome, part) => (part === 1 ? { failure: LATE } : outcome)) : outcomes;
      },
    }),
  );
  expect(reports.map(({ step }) => step)).toEqual([1, 2, 3, 4]);
  expect(reports[1]).toMatchObject({ round: { parts: [0], dropped: [{ part: 1, why: LATE.message }] } });
  expect(reports[3]).toMatchObject({ round: { parts: [0, 1], dropped: [] } });
  expect(notes).toEqual([
    expect.stringContaining("scorer fitted to 10 passages"),
    `part 1 did not count for steps 1 to 2 and takes them again: ${LATE.message}`,
  ]);
  const [first, second] = seen;
  expect(second?.[1]).toBe(first?.[1]);
  expect(second?.[0]).not.toBe(first?.[0]);
});

test("when no part comes the run ends, and nothing has changed", async () => {
  const failure = { code: "not-finite", message: "gradients are not numbers" };
  const config = diloco({ steps: 2 });
  const fails = run("none", config, (crew) =>
    dilocoLoop({ ...crew, round: () => Promise.resolve([{ failure }, { failure }]) }),
  );
  await expect(fails).rejects.toMatchObject({ code: "not-finite" });
  expect(await readdir(at("none/checkpoints"))).toEqual(["step-0"]);
});

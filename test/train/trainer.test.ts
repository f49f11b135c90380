import { USUAL_CHOICES } from "../../src/cache/adapter.ts";
import { usualScorer } from "../../src/compress/scorer.ts";
import { FOLD_TOKENS } from "../../src/compress/fold.ts";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { examplesInMemory } from "../../src/data/example-set.ts";
import type { PassageExample } from "../../src/data/examples.ts";
import { createRuntime, type Runtime } from "../../src/runtime/runtime.ts";
import { copyOf } from "../../src/tensor/bytes.ts";
import { asDType } from "../../src/tensor/tensor.ts";
import { type Accumulated, accumulate, gradientsOn, type TrainingItem } from "../../src/train/accumulate.ts";
import { zeroMoments } from "../../src/train/adamw.ts";
import { parseTrainConfig, type TrainConfig } from "../../src/train/config.ts";
import type { NotFiniteReport } from "../../src/train/not-finite.ts";
import type { Parameters } from "../../src/train/parameters.ts";
import type { StepEngine } from "../../src/train/step/engine.ts";
import { loadTrainingPrograms } from "../../src/train/step/programs.ts";
import { loadTrainingWeights } from "../../src/train/step/weights.ts";
import { type StepReport, train } from "../../src/train/trainer.ts";
import { randomFromSeed } from "../../src/util/random.ts";
import { readParameters, tinyModel } from "./tiny-model.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const EPSILON = 2 ** -23;
let runtime: Runtime;
let engine: StepEngine;
let start: Parameters;

beforeAll(async () => {
  runtime = await createRuntime({ threads: 1 });
  const files = await tinyModel("llama");
  start = new Map([
    ...(await readParameters("adapter/adapter_model.safetensors")),
    ...(await readParameters("adapter/scorer.safetensors")),
  ]);
  engine = {
    runtime,
    config: files.config,
    programs: await loadTrainingPrograms(
      runtime,
      files.config,
      { rank: 4, scale: 8 },
      0.6,
      usualScorer(files.config, 1),
    ),
    weights: await loadTrainingWeights(runtime, files),
    settings: {
      eta: 2,
      sinks: 2,
      gate: "sigmoid",
      selection: "shared",
      scorerLoss: 0,
      scorerProbes: "questions",
      foldTokens: FOLD_TOKENS,
      ...USUAL_CHOICES,
    },
  };
});
afterAll(() => runtime.close());

const random = randomFromSeed(11);
const ids = (count: number): number[] => Array.from({ length: count }, () => 3 + random.integer(58));
const EXAMPLES: readonly PassageExample[] = [23, 9, 17, 30, 12, 26, 8, 15].map((length, i) => ({
  id: `passage ${i}`,
  source: "test",
  contextIds: ids(length),
  turns: [2 + (i % 3), 4].slice(0, 1 + (i % 2)).map((answer) => ({
    kind: "question" as const,
    questionIds: ids(3 + i),
    answerIds: ids(answer),
  })),
}));
const ITEMS: readonly TrainingItem[] = EXAMPLES.map((passage, i) => ({ passage, keep: 0.2 + 0.1 * i }));

const config = (changes: Partial<TrainConfig> = {}): TrainConfig =>
  parseTrainConfig({ steps: 3, batch: 2, microBatch: 2, rank: 4, eta: 2, sinks: 2, warmupSteps: 1, ...changes });

const copied = (values: Parameters): Parameters => new Map([...values].map(([name, value]) => [name, copyOf(value)]));

/** Largest difference of two gradients, by the norm of the first. */
function apart(a: Parameters, b: Parameters): number {
  expect([...a.keys()].sort()).toEqual([...b.keys()].sort());
  const distances = [...a].map(([name, { data }]) => {
    const other = b.get(name)?.data ?? new Float32Array();
    return Math.hypot(...data.map((value, i) => value - (other[i] ?? NaN))) / Math.hypot(...data, 1e-9);
  });
  return Math.max(...distances);
}

describe("gradient accumulation", () => {
  let whole: Accumulated;
  beforeAll(async () => {
    whole = await accumulate(engine, start, ITEMS, 8);
  });

  test.each([1, 4])("8 passages, %i at a time, give the same loss and gradients", async (microBatch) => {
    const parts = await accumulate(engine, start, ITEMS, microBatch);
    expect(parts.tokens).toBe(whole.tokens);
    for (const name of ["loss", "forwardKl", "reverseKl"] as const) {
      expect(Math.abs(parts[name] / whole[name] - 1), name).toBeLessThan(64 * EPSILON);
    }
    expect(apart(whole.gradients, parts.gradients)).toBeLessThan(1e-4);
  });

  test("padding changes nothing: the loss is the mean over the turns of passages computed alone", async () => {
    let sum = 0;
    for (const item of ITEMS) sum += (await accumulate(engine, start, [item], 1)).loss * item.passage.turns.length;
    const turns = ITEMS.reduce((count, { passage }) => count + passage.turns.length, 0);
    expect(Math.abs(whole.loss / (sum / turns) - 1)).toBeLessThan(64 * EPSILON);
  });
});

describe("a run of steps", () => {
  async function curve(changes: Partial<TrainConfig>): Promise<Partial<StepReport>[]> {
    const reports: Partial<StepReport>[] = [];
    const parameters = copied(start);
    await train({
      gradients: gradientsOn(engine),
      examples: examplesInMemory(EXAMPLES),
      config: config(changes),
      state: { step: 0, parameters, moments: zeroMoments(parameters) },
      onStep: ({ step, epoch, loss, forwardKl, reverseKl, keep, gradientNorm }) => {
        reports.push({ step, epoch, loss, forwardKl, reverseKl, keep, gradientNorm });
        return Promise.resolve();
      },
    });
    return reports;
  }

  test("seed 0 gives the same curve twice, seed 1 another", async () => {
    const first = await curve({ seed: 0 });
    expect(first).toHaveLength(3);
    expect(await curve({ seed: 0 })).toEqual(first);
    const other = await curve({ seed: 1 });
    expect(other.map(({ loss }) => loss)).not.toEqual(first.map(({ loss }) => loss));
    expect(other.map(({ keep }) => keep)).not.toEqual(first.map(({ keep }) => keep));
  });

  test("learning lowers the loss of the passages learned", async () => {
    const losses = (
      await curve({ steps: 8, batch: 8, microBatch: 8, learningRate: 0.02, keepLow: 0.4, keepHigh: 0.4 })
    ).map(({ loss = NaN }) => loss);
    expect(losses.at(-1)).toBeLessThan(0.9 * (losses[0] ?? 0));
  });
});

describe("numbers that are not finite", () => {
  interface Failure {
    readonly error: unknown;
    readonly reports: readonly NotFiniteReport[];
    readonly steps: number;
    readonly parameters: Parameters;
  }

  async function fail(
    broken: StepEngine,
    parameters: Parameters,
    changes: Partial<TrainConfig> = {},
  ): Promise<Failure> {
    const reports: NotFiniteReport[] = [];
    let steps = 0;
    const error: unknown = await train({
      gradients: gradientsOn(broken),
      examples: examplesInMemory(EXAMPLES),
      config: config(changes),
      state: { step: 0, parameters, moments: zeroMoments(parameters) },
      onStep: () => {
        steps++;
        return Promise.resolve();
      },
      onNotFinite: (report) => {
        reports.push(report);
        return Promise.resolve();
      },
    }).catch((thrown: unknown) => thrown);
    return { error, reports, steps, parameters };
  }

  test("a loss: the step is given up before anything changes, and described", async () => {
    const parameters = copied(start);
    const name = "layers.1.self_attn.v_proj.lora_B";
    parameters.get(name)?.data.fill(3e38);
    const before = copied(parameters);
    const { error, reports, steps } = await fail(engine, parameters);
    expect(error).toMatchObject({ code: "not-finite" });
    expect(steps).toBe(0);
    expect(parameters).toEqual(before);
    expect(reports).toHaveLength(1);
    expect(reports[0]).toMatchObject({ step: 1, epoch: 0, parameters: { largest: { name }, notFinite: [] } });
    expect(reports[0]?.passages).toHaveLength(2);
    for (const { id, keep, contextTokens } of reports[0]?.passages ?? []) {
      expect(EXAMPLES.find((example) => example.id === id)?.contextIds).toHaveLength(contextTokens);
      expect(keep).toBeGreaterThan(0);
    }
  });

  test("a gradient, the loss being finite: found before AdamW, named", async () => {
    const name = "self_attn.k_proj.lora_A";
    const { encodeAdapted } = engine.programs;
    const { backward } = encodeAdapted;
    let calls = 0;
    const poisoned: typeof backward = {
      ...backward,
      runKeeping: async (feeds, keep) => {
        const result = await backward.runKeeping(feeds, keep);
        const gradient = result.outputs[`d.${name}`];
        if (gradient !== undefined && ++calls === 1) asDType(gradient, "float32").data[5] = NaN;
        return result;
      },
    };
    const broken = {
      ...engine,
      programs: { ...engine.programs, encodeAdapted: { ...encodeAdapted, backward: poisoned } },
    };
    const parameters = copied(start);
    const { error, reports } = await fail(broken, parameters);
    expect(error).toMatchObject({ code: "not-finite", facts: { faults: [`layers.2.${name}`] } });
    expect(parameters).toEqual(copied(start));
    const [report] = reports;
    expect(Number(report?.loss)).toBeGreaterThan(0);
    expect(report?.gradients?.notFinite).toEqual([{ name: `layers.2.${name}`, count: 1, of: 4 * 32 }]);
    expect(report?.gradients?.norm).toBeGreaterThan(0);
    expect(report?.moments.notFinite).toEqual([]);
  });

  test("parameters after a step that is far too large", async () => {
    const { error, reports, steps } = await fail(engine, copied(start), { learningRate: 1e39, warmupSteps: 1 });
    expect(error).toMatchObject({ code: "not-finite", message: expect.stringContaining("parameters") as string });
    expect(steps).toBe(0);
    expect(reports[0]?.parameters.notFinite.length).toBeGreaterThan(0);
  });
});

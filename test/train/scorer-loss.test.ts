import { usualScorer } from "../../src/compress/scorer.ts";
import { FoldLayout } from "../../src/train/step/fold-layout.ts";
import { FOLD_TOKENS } from "../../src/compress/fold.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AdapterSelection, USUAL_CHOICES } from "../../src/cache/adapter.ts";
import { probeAttention } from "../../src/compress/probe-attention.ts";
import { LanguageModel } from "../../src/models/language-model.ts";
import type { ModelFiles } from "../../src/models/model-files.ts";
import { createRuntime, type Runtime } from "../../src/runtime/runtime.ts";
import { attentionTargets } from "../../src/train/attention-targets.ts";
import { layOut, type TrainingPassage } from "../../src/train/batch.ts";
import { newParameters } from "../../src/train/new-parameters.ts";
import { loadParameters, type Parameters } from "../../src/train/parameters.ts";
import { scoreColumnsOf, type StepEngine } from "../../src/train/step/engine.ts";
import { gradientStep, type StepResult } from "../../src/train/step/gradient-step.ts";
import { prepareInputs } from "../../src/train/step/inputs.ts";
import { loadTrainingPrograms } from "../../src/train/step/programs.ts";
import { runTeacher } from "../../src/train/step/teacher.ts";
import { loadTrainingWeights } from "../../src/train/step/weights.ts";
import { sampleConfig } from "../cache/sample-adapter.ts";
import { readTriples, tinyModel } from "./tiny-model.ts";

const ETA = 2;
const RANK = 2;
let runtime: Runtime;
let files: ModelFiles;
let passages: TrainingPassage[];

beforeAll(async () => {
  runtime = await createRuntime();
  files = await tinyModel("llama");
  // A second turn that must not be learned from, and contexts of different lengths.
  passages = (await readTriples()).map(({ contextIds, turns: [turn] }) => ({
    contextIds,
    turns: turn === undefined ? [] : [turn, { ...turn, questionIds: [7, 8, 9], kind: "reconstruction" as const }],
  }));
});
afterAll(() => runtime.close());

async function setUp(selection: AdapterSelection, scorerLoss: number): Promise<[StepEngine, Parameters]> {
  const { config } = files;
  const settings = {
    eta: ETA,
    sinks: 2,
    gate: "straight-through",
    selection,
    scorerLoss,
    scorerProbes: "questions",
    foldTokens: FOLD_TOKENS,
    ...USUAL_CHOICES,
  } as const;
  const columns = scoreColumnsOf(settings, config);
  const engine = {
    runtime,
    config,
    programs: await loadTrainingPrograms(runtime, config, { rank: RANK, scale: 1 }, 0.6, usualScorer(config, columns), {
      observed: scorerLoss > 0,
    }),
    weights: await loadTrainingWeights(runtime, files),
    settings,
  };
  const { hiddenSize, numKvHeads, numLayers } = config;
  const targets = { ...sampleConfig.targets, hiddenSize, numKvHeads, numLayers };
  const modules = targets.modules.map(({ path }) => ({
    path,
    inputs: hiddenSize,
    outputs: /[kv]_proj/.test(path) ? numKvHeads * config.headDim : hiddenSize,
  }));
  return [
    engine,
    newParameters(
      { ...sampleConfig, scorerWidth: hiddenSize, rank: RANK, selection, targets: { ...targets, modules } },
      5,
    ),
  ];
}

async function step(engine: StepEngine, parameters: Parameters): Promise<StepResult> {
  const loaded = await loadParameters(runtime, parameters);
  const turns = passages.reduce((sum, passage) => sum + passage.turns.length, 0);
  return gradientStep(
    engine,
    loaded,
    layOut(passages, turns),
    passages.map(() => 0.5),
  );
}

test("the teacher sees what a plain reading of the questions attends to", async () => {
  const [engine] = await setUp("per-head", 1);
  const batch = layOut(passages, 1);
  const { attention } = await runTeacher(
    engine,
    batch,
    await prepareInputs(engine, batch, new FoldLayout(batch, engine.settings), []),
  );
  const { numKvHeads } = files.config;
  const model = new LanguageModel(files, runtime);
  for (const [b, { contextIds, turns }] of passages.entries()) {
    const [{ questionIds, answerIds } = { questionIds: [], answerIds: [] }] = turns;
    const plain = await probeAttention(model, contextIds, [[...questionIds, ...answerIds.slice(0, -1)]]);
    plain.forEach((layer, l) => {
      for (let head = 0; head < numKvHeads; head++) {
        contextIds.forEach((_, token) => {
          const got = attention[l]?.[(b * numKvHeads + head) * batch.contextWidth + token];
          expect(got).toBeCloseTo(layer[head * contextIds.length + token] ?? NaN, 5);
        });
      }
    });
  }
});

describe.each(["shared", "per-head"] as const)("a selection that is %s", (selection) => {
  test("the gradient is that of the distance", async () => {
    const [engine, parameters] = await setUp(selection, 1);
    const [gatesOnly] = await setUp(selection, 0);
    const [both, gates] = [await step(engine, parameters), await step(gatesOnly, parameters)];
    expect(both.loss).toBeCloseTo(gates.loss, 6);
    expect(gates.scorerDistance).toBe(0);
    for (const name of ["scorer.fc1.weight", "scorer.fc1.bias", "scorer.fc2.weight", "scorer.fc2.bias"]) {
      const [a, b] = [both.gradients.get(name)?.data, gates.gradients.get(name)?.data];
      const values = parameters.get(name);
      if (a === undefined || b === undefined || values === undefined) throw new Error(`${name} has no gradient`);
      // Along the gradient, where central differences are largest against rounding.
      const gradient = a.map((value, i) => value - (b[i] ?? NaN));
      const norm = Math.hypot(...gradient);
      const moved = async (by: number): Promise<number> => {
        const data = values.data.map((value, i) => value + (by * (gradient[i] ?? 0)) / norm);
        return (await step(engine, new Map([...parameters, [name, { ...values, data }]]))).scorerDistance;
      };
      const slope = ((await moved(0.02)) - (await moved(-0.02))) / 0.04;
      expect(Math.abs(slope / norm - 1)).toBeLessThan(2e-2);
    }
  });
});

test("targets: one column is the mean of the heads, an average token scores 3", () => {
  const heads = [Float32Array.of(0.5, 0.1, 0.01), Float32Array.of(0.2, 0.2, 0.9)];
  const each = attentionTargets(heads, "per-head");
  const shared = attentionTargets(heads, "shared");
  expect(each).toHaveLength(6);
  for (const column of [0, 1])
    expect([0, 1, 2].reduce((sum, t) => sum + (each[t * 2 + column] ?? 0), 0)).toBeCloseTo(9, 5);
  shared.forEach((value, t) => {
    expect(value).toBeCloseTo(((each[t * 2] ?? 0) + (each[t * 2 + 1] ?? 0)) / 2, 5);
  });
  expect(each[0]).toBeGreaterThan(each[2] ?? NaN);
  // Heads that share a budget are told apart: the order is that of the attention, whatever the head.
  const together = attentionTargets(heads, "across-heads");
  const pairs = heads.flatMap((head, c) =>
    [...head].map((attention, t) => [attention, together[t * 2 + c] ?? NaN] as const),
  );
  const ordered = [...pairs].sort(([a], [b]) => a - b).map(([, target]) => target);
  expect(ordered).toEqual([...ordered].sort((a, b) => a - b));
  expect(together.reduce((sum, target) => sum + target, 0)).toBeCloseTo(18, 4);
  // No attention anywhere: nothing to tell tokens apart by.
  expect([...attentionTargets([new Float32Array(3)], "per-head")]).toEqual([3, 3, 3]);
});

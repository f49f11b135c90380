import { FOLD_TOKENS, folds } from "../../src/compress/fold.ts";
import { joinParts } from "../../src/compress/join-rows.ts";
import type { CompressedRows } from "../../src/compress/method.ts";
import { describe, expect, test } from "vitest";
import { ADAPTER_SELECTIONS, type AdapterConfig, loraScale, USUAL_CHOICES } from "../../src/cache/adapter.ts";
import { compressPiece, pieceContext } from "../../src/compress/compress-piece.ts";
import { CompressionContext } from "../../src/compress/context.ts";
import { keptCount } from "../../src/compress/kept-count.ts";
import { attachAdapter } from "../../src/compress/loaded-adapter.ts";
import { kvDistill } from "../../src/compress/methods/kv-distill.ts";
import { scorerShapeOf } from "../../src/compress/scorer.ts";
import { divergence, teacherOf } from "../../src/evaluate/metrics/divergence.ts";
import { readQuestions } from "../../src/evaluate/run/read-questions.ts";
import { layOut, type TrainingPassage } from "../../src/train/batch.ts";
import { parametersOf } from "../../src/train/new-parameters.ts";
import { loadParameters, type Parameters } from "../../src/train/parameters.ts";
import { isRagged, type StepEngine, type StepSettings } from "../../src/train/step/engine.ts";
import { gradientStep, type StepResult } from "../../src/train/step/gradient-step.ts";
import { loadTrainingPrograms } from "../../src/train/step/programs.ts";
import { loadTrainingWeights } from "../../src/train/step/weights.ts";
import { someIds, tinyAdapter, useTinyModel } from "../compress/tiny.ts";

const KEEP = [0.5, 0.3];
/** Contexts and readers of different lengths, so that both are padded. */
const PASSAGES: readonly TrainingPassage[] = [
  { contextIds: someIds(21), turns: [turn(5, 4), turn(3, 2)] },
  { contextIds: someIds(33), turns: [turn(6, 3)] },
];

function turn(question: number, answer: number): TrainingPassage["turns"][number] {
  return { questionIds: someIds(question), answerIds: someIds(answer) };
}

/** B of the adapters of values. */
const VALUE_B = /(v_proj|c_attn)\.lora_B$/;

/** What a case chooses otherwise than usual. */
type Choices = Pick<AdapterConfig, "selection"> & Partial<AdapterConfig> & { readonly foldTokens?: number };

describe.each(["llama", "gpt2"])("training %s with", (name) => {
  const { model } = useTinyModel(name);

  async function stepsOf(
    settings: StepSettings,
    adapter: AdapterConfig,
  ): Promise<(p: Parameters) => Promise<StepResult>> {
    const { runtime, config, files } = model();
    const scorer = scorerShapeOf(adapter);
    const shape = { rank: adapter.rank, scale: loraScale(adapter) };
    const engine: StepEngine = {
      runtime,
      config,
      programs: await loadTrainingPrograms(runtime, config, shape, 0.6, scorer, { ragged: isRagged(settings) }),
      weights: await loadTrainingWeights(runtime, files),
      settings,
    };
    const turns = PASSAGES.flatMap((passage) => passage.turns).length;
    return async (parameters) =>
      gradientStep(engine, await loadParameters(runtime, parameters), layOut(PASSAGES, turns), KEEP);
  }

  const cases: readonly Choices[] = ADAPTER_SELECTIONS.flatMap((selection) => [
    { selection },
    { selection, strengthExponent: 2 },
    // Of two and three folds, and, with another passage beside them, of one and two.
    { selection, strengthExponent: 2, foldTokens: 12 },
    { selection, foldTokens: 21 },
    // What the paper leaves open.
    { selection, routing: "all" },
    { selection, gate: "sigmoid", sinkGate: "score" },
    { selection, foldTokens: 12, foldPositions: "fold" },
    { selection, foldTokens: 12, foldCut: "full" },
    { selection, gate: "sigmoid", scorerNorm: "none" },
    { selection, gate: "sigmoid", scorerActivation: "silu", scorerWidth: 5 },
    { selection, useRslora: false },
    { selection, readPositions: "kept" },
    { selection, foldTokens: 12, readPositions: "kept" },
  ]);
  test.each(cases.map((choices) => [JSON.stringify(choices), choices] as const))(
    "%s: the loss is what compressing and asking measures, and falls along its gradient",
    async (_, { foldTokens = FOLD_TOKENS, gate = "straight-through", selection, ...choices }) => {
      const adapter = tinyAdapter(model(), { gate, selection, ...choices });
      const { sinks, strengthExponent, foldCut } = adapter.config;
      const settings: StepSettings = { ...adapter.config, scorerLoss: 0, scorerProbes: "questions", foldTokens };
      const step = await stepsOf(settings, adapter.config);
      const parameters = parametersOf(adapter);
      const trained = await step(parameters);

      // Read otherwise, the same numbers are another adapter.
      const usual = { ...USUAL_CHOICES, useRslora: true, scorerWidth: adapter.config.scorerWidth };
      if (Object.entries(choices).some(([key, value]) => (usual as Readonly<Record<string, unknown>>)[key] !== value)) {
        const other = await stepsOf({ ...settings, ...usual }, { ...adapter.config, ...usual });
        const apart = Math.abs((await other(parameters)).loss / trained.loss - 1);
        // What is not kept reaches a kept row through two layers above its own, and these models have two in all.
        if (selection === "shared" && choices.routing === "all") expect(apart).toBe(0);
        else expect(apart).toBeGreaterThan(1e-4);
      }

      const method = kvDistill(await attachAdapter(model(), adapter));
      let [sum, turns] = [0, 0];
      for (const [i, { contextIds, turns: own }] of PASSAGES.entries()) {
        const context = new CompressionContext(model(), contextIds);
        const count = keptCount(contextIds.length, KEEP[i] ?? 1, sinks);
        const parts: CompressedRows[] = [];
        for (const fold of folds(contextIds.length, count, sinks, { foldTokens, foldCut })) {
          const piece = { ...fold, most: Infinity };
          parts.push(await compressPiece(method, pieceContext(model(), contextIds, piece), piece, { seed: 0 }));
        }
        const { layers, positions } = joinParts(parts, model().config);
        expect(positions.map((kept) => [...kept])).toEqual(trained.kept[i]?.kept.map((kept) => [...kept]));
        const counts = positions.map(({ length }) => length);
        if (selection === "across-heads") expect(new Set(counts).size).toBeGreaterThan(1);
        expect(counts.reduce((a, b) => a + b, 0)).toBe(count * counts.length);
        const asked = (rows: typeof layers, position: number) =>
          own.map((question) => ({ start: { layers: rows, position }, question, maxNewTokens: 0 }));
        const teachers = await readQuestions(model(), asked((await context.full()).layers, contextIds.length));
        const position = choices.readPositions === "kept" ? count : contextIds.length;
        for (const [at, { goldLogits }] of (await readQuestions(model(), asked(layers, position))).entries()) {
          const teacher = teacherOf(teachers[at]?.goldLogits ?? []);
          sum += divergence(teacher, goldLogits, own[at]?.answerIds ?? []).forwardKl;
          turns++;
        }
      }
      expect(sum / turns).toBeGreaterThan(1e-4);
      expect(trained.forwardKl / (sum / turns)).toBeCloseTo(1, 3);

      if (strengthExponent > 0) {
        const context = new CompressionContext(model(), PASSAGES[0]?.contextIds ?? []);
        const { layers } = await method.compress({ context, count: context.ids.length, sinks, seed: 0 });
        const whole = (await context.full()).layers;
        layers.forEach(({ keys, values }, layer) => {
          // Nothing is dropped, so nothing is changed; the gate of sinks and others is straight-through.
          expect(keys).toEqual(whole[layer]?.keys);
          expect(values).toEqual(whole[layer]?.values);
        });
      }

      // Central differences: along the gradient of the value adapters, where they are largest against rounding; or, through the gates, with all
      // scores alike, which changes no order.
      const names =
        gate === "sigmoid" ? ["scorer.fc2.bias"] : [...parameters.keys()].filter((key) => VALUE_B.test(key));
      const gradients = names.map((key) => trained.gradients.get(key)?.data ?? new Float32Array());
      const direction = gradients.map((own) => (gate === "sigmoid" ? own.map(() => 1) : own));
      const norm = Math.hypot(...direction.flatMap((own) => [...own]));
      const expected = gradients.flatMap((own, i) => [...own].map((value, j) => value * (direction[i]?.[j] ?? 0)));
      const moved = async (by: number): Promise<number> => {
        const changed = names.map((key, i) => {
          const value = parameters.get(key);
          if (value === undefined) throw new Error(`there is no ${key}`);
          return [
            key,
            { ...value, data: value.data.map((x, j) => x + (by * (direction[i]?.[j] ?? 0)) / norm) },
          ] as const;
        });
        return (await step(new Map([...parameters, ...changed]))).loss;
      };
      const slope = ((await moved(0.01)) - (await moved(-0.01))) / 0.02;
      expect((slope * norm) / expected.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 1);
    },
  );
});

import { afterAll, beforeAll, expect, test } from "vitest";
import { probeAttention } from "../../src/compress/probe-attention.ts";
import { loadModel } from "../../src/models/load-model.ts";
import type { LanguageModel } from "../../src/models/language-model.ts";
import { usualScorer } from "../../src/compress/scorer.ts";
import { scorerGraph, scorerKey } from "../../src/compress/scorer-graph.ts";
import { newParameters } from "../../src/train/new-parameters.ts";
import { calibrateScorer } from "../../src/train/scorer-start/calibrate.ts";
import { fitScorer } from "../../src/train/scorer-start/fit.ts";
import { scorerSample } from "../../src/train/scorer-start/targets.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { randomFromSeed } from "../../src/util/random.ts";
import { sampleConfig } from "../cache/sample-adapter.ts";
import { tinyModel } from "../models/tiny-models.ts";

const WHOLE = { sinks: 2, foldTokens: 1536, foldCut: "even" } as const;

let model: LanguageModel;
beforeAll(async () => {
  model = await loadModel(tinyModel("llama"));
});
afterAll(() => model.close());

const lots = randomFromSeed(3);
const ids = (length: number): number[] => Array.from({ length }, () => 3 + lots.integer(200));

test("a probe's attention is that of the whole text, and the largest of several probes counts", async () => {
  const { numLayers, numKvHeads } = model.config;
  const [context, first, second] = [ids(20), ids(7), ids(5)];
  const both = await probeAttention(model, context, [first, second]);
  const apart = await Promise.all([first, second].map((probe) => probeAttention(model, context, [probe])));
  expect(both).toHaveLength(numLayers);
  both.forEach((layer, l) => {
    expect(layer).toHaveLength(numKvHeads * context.length);
    layer.forEach((value, i) => {
      expect(value).toBeCloseTo(Math.max(...apart.map((one) => one[l]?.[i] ?? NaN)), 6);
    });
  });
  // Read as one text, the probe's rows of attention are the same.
  const cache = await model.newCache();
  await model.forward({ ids: context, cache });
  const sum = await model.attentionReceived([first[0] ?? 0], cache, "sum");
  const max = await probeAttention(model, context, [[first[0] ?? 0]]);
  cache.release();
  const group = model.config.numQueryHeads / numKvHeads;
  for (let head = 0; head < numKvHeads; head++) {
    const own = sum[0]?.subarray(head * 21, (head + 1) * 21) ?? new Float32Array();
    expect(own.reduce((a, b) => a + b, 0)).toBeCloseTo(group, 5);
    for (let i = 0; i < 20; i++) {
      const largest = max[0]?.[head * 20 + i] ?? NaN;
      expect(largest).toBeLessThanOrEqual((own[i] ?? 0) + 1e-6);
      expect(largest * group).toBeGreaterThanOrEqual((own[i] ?? 0) - 1e-6);
    }
  }
});

test.each(["shared", "per-head"] as const)("targets of a selection that is %s are standardised", async (selection) => {
  const contextIds = ids(24);
  const sample = await scorerSample(model, { contextIds, probes: [ids(6)], eta: 1, selection, ...WHOLE });
  const columns = sample.targets.length / contextIds.length;
  expect(columns).toBe(selection === "shared" ? 1 : model.config.numLayers * model.config.numKvHeads);
  expect(sample.hidden).toHaveLength(contextIds.length * model.config.hiddenSize);
  for (let column = 0; column < columns; column++) {
    const own = contextIds.map((_, token) => sample.targets[token * columns + column] ?? NaN);
    expect(own.reduce((a, b) => a + b, 0) / own.length).toBeCloseTo(3, 4);
    const variance = own.reduce((a, b) => a + (b - 3) ** 2, 0) / own.length;
    if (selection === "per-head") expect(variance).toBeCloseTo(1, 3);
    else expect(variance).toBeLessThanOrEqual(1.001);
  }
});

test("a calibrated scorer keeps its order and meets its targets on average, as closely as a line through them does", async () => {
  const { hiddenSize, numLayers, numKvHeads } = model.config;
  const columns = numLayers * numKvHeads;
  const shape = usualScorer(model.config, columns);
  const selection = "across-heads";
  const parameters = newParameters(
    {
      ...sampleConfig,
      scorerWidth: hiddenSize,
      selection,
      targets: { ...sampleConfig.targets, hiddenSize, numLayers, numKvHeads },
    },
    0,
  );
  const probes = [ids(6)];
  const samples = await Promise.all(
    [ids(24), ids(17)].map((contextIds) => scorerSample(model, { contextIds, probes, eta: 1, selection, ...WHOLE })),
  );
  const scoresNow = async (): Promise<Float32Array> => {
    const program = await model.compile(scorerKey(shape), () => scorerGraph(shape));
    const own = Object.fromEntries([...parameters].map(([name, value]) => [name.replace(/^scorer\./, ""), value]));
    const feeds = ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"].map((name) => [name, own[name]] as const);
    const parts: number[] = [];
    for (const { hidden } of samples) {
      const rows = tensor("float32", [hidden.length / hiddenSize, hiddenSize], hidden.slice());
      const { scores } = await program.run({ ...(Object.fromEntries(feeds) as Record<string, Tensor>), hidden: rows });
      parts.push(...((scores?.data as Float32Array | undefined) ?? []));
    }
    return Float32Array.from(parts);
  };
  const targets = samples.flatMap((sample) => [...sample.targets]);
  const column = (values: ArrayLike<number>, c: number): number[] =>
    Array.from(values).filter((_, i) => i % columns === c);
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  const before = await scoresNow();
  await calibrateScorer(model.runtime, parameters, samples, shape);
  const after = await scoresNow();
  for (let c = 0; c < columns; c++) {
    const [x, y, wanted] = [column(before, c), column(after, c), column(targets, c)];
    expect(mean(y)).toBeCloseTo(mean(wanted), 3);
    // What is left over has nothing to do with the scores.
    expect(mean(y.map((value, i) => (value - (wanted[i] ?? 0)) * ((x[i] ?? 0) - mean(x))))).toBeCloseTo(0, 3);
  }
});

test("a fitted scorer explains its targets, and a seed gives one scorer", async () => {
  const samples = await Promise.all(
    [0, 1, 2].map(() =>
      scorerSample(model, { contextIds: ids(24), probes: [ids(6)], eta: 1, selection: "per-head", ...WHOLE }),
    ),
  );
  const { hiddenSize, numLayers, numKvHeads } = model.config;
  const config = {
    ...sampleConfig,
    scorerWidth: hiddenSize,
    selection: "per-head" as const,
    targets: { ...sampleConfig.targets, hiddenSize, numLayers, numKvHeads },
  };
  const options = { shape: usualScorer(model.config, numLayers * numKvHeads), learningRate: 3e-2, seed: 0 };
  const fitted = async (epochs: number): Promise<{ distance: number; bias: number[] }> => {
    const parameters = newParameters(config, 0);
    parameters.get("scorer.fc2.bias")?.data.fill(0);
    const distance = await fitScorer(model.runtime, parameters, samples, { ...options, epochs });
    return { distance, bias: [...(parameters.get("scorer.fc2.bias")?.data ?? [])] };
  };
  const [short, long] = [await fitted(2), await fitted(60)];
  expect(long.distance).toBeLessThan(0.6 * short.distance);
  expect((await fitted(2)).bias).toEqual(short.bias);
});

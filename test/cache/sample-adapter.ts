import { type Adapter, type AdapterConfig, type AdapterTargets, USUAL_CHOICES } from "../../src/cache/adapter.ts";
import { loraPairs, scorerShapes } from "../../src/cache/adapter-tensors.ts";

export const llamaTargets: AdapterTargets = {
  layersPath: "model.layers",
  numLayers: 2,
  hiddenSize: 8,
  numKvHeads: 1,
  modules: [
    { path: "self_attn.q_proj", inputs: 8, outputs: 8 },
    { path: "self_attn.k_proj", inputs: 8, outputs: 4 },
    { path: "self_attn.v_proj", inputs: 8, outputs: 4 },
    { path: "self_attn.o_proj", inputs: 8, outputs: 8 },
  ],
};

export const gpt2Targets: AdapterTargets = {
  layersPath: "transformer.h",
  numLayers: 2,
  hiddenSize: 8,
  numKvHeads: 2,
  modules: [
    { path: "attn.c_attn", inputs: 8, outputs: 24 },
    { path: "attn.c_proj", inputs: 8, outputs: 8 },
  ],
};

export const sampleConfig: AdapterConfig = {
  rank: 3,
  alpha: 16,
  useRslora: true,
  fanInFanOut: false,
  eta: 1,
  sinks: 4,
  gate: "straight-through",
  selection: "shared",
  ...USUAL_CHOICES,
  scorerWidth: llamaTargets.hiddenSize,
  baseModel: { name: "tiny", hash: "a".repeat(64) },
  targets: llamaTargets,
  createdBy: "kv-distill test",
};

/** Different numbers everywhere, exact in half precision. */
export function sampleAdapter(config: AdapterConfig = sampleConfig): Adapter {
  let next = 0;
  const values = (length: number): Float32Array<ArrayBuffer> =>
    Float32Array.from({ length }, () => ((next++ * 37) % 101) / 64 - 0.75);
  const { rank } = config;
  const shapes = scorerShapes(config);
  const sized = (shape: readonly number[]): Float32Array<ArrayBuffer> => values(shape.reduce((a, b) => a * b, 1));
  const inputsOf = (shape: readonly number[]): number => shape[1] ?? 0;
  const pairs = loraPairs(config).map(
    ({ key, a, b }) => [key, { a: values(rank * inputsOf(a.shape)), b: values(rank * (b.shape[0] ?? 0)) }] as const,
  );
  return {
    config,
    lora: new Map(pairs),
    scorer: {
      "fc1.weight": sized(shapes["fc1.weight"]),
      "fc1.bias": sized(shapes["fc1.bias"]),
      "fc2.weight": sized(shapes["fc2.weight"]),
      "fc2.bias": sized(shapes["fc2.bias"]),
    },
  };
}

import { type Adapter, type AdapterConfig, scoreColumns } from "../cache/adapter.ts";
import { scorerShapes } from "../cache/adapter-tensors.ts";
import { type Tensor, tensor, zeros } from "../tensor/tensor.ts";
import { randomFromSeed } from "../util/random.ts";
import { layerPrefix, type Parameters, SCORER_PREFIX } from "./parameters.ts";

/**
 * Parameters to start from: A normal with variance 1/in, B zero, so that the adapted model is the base model.
 * @param scorerBias the score of every token, nearly: gates start near σ of it, with 3 at 0.95 (METHOD section 1)
 */
export function newParameters(config: AdapterConfig, seed: number, scorerBias = 3): Parameters {
  const { rank, targets } = config;
  const { numLayers, hiddenSize, modules } = targets;
  const random = randomFromSeed(seed);
  const normal = (dims: readonly number[], deviation: number): Tensor<"float32"> => {
    const value = zeros("float32", dims);
    for (let i = 0; i < value.data.length; i++) value.data[i] = random.normal() * deviation;
    return value;
  };
  const found = new Map<string, Tensor<"float32">>();
  for (let layer = 0; layer < numLayers; layer++) {
    for (const { path, inputs, outputs } of modules) {
      found.set(`${layerPrefix(layer)}${path}.lora_A`, normal([rank, inputs], 1 / Math.sqrt(inputs)));
      found.set(`${layerPrefix(layer)}${path}.lora_B`, zeros("float32", [outputs, rank]));
    }
  }
  const shapes = scorerShapes(config);
  found.set(`${SCORER_PREFIX}fc1.weight`, normal(shapes["fc1.weight"], 1 / Math.sqrt(hiddenSize)));
  found.set(`${SCORER_PREFIX}fc1.bias`, zeros("float32", shapes["fc1.bias"]));
  found.set(`${SCORER_PREFIX}fc2.weight`, normal(shapes["fc2.weight"], 0.02));
  found.set(
    `${SCORER_PREFIX}fc2.bias`,
    tensor("float32", shapes["fc2.bias"], new Float32Array(scoreColumns(config)).fill(scorerBias)),
  );
  return found;
}

/** An adapter's values as parameters, copied. */
export function parametersOf({ config, lora, scorer }: Adapter): Parameters {
  const found = new Map<string, Tensor<"float32">>();
  for (const [path, { a, b }] of lora) {
    found.set(`${path}.lora_A`, tensor("float32", [config.rank, a.length / config.rank], a.slice()));
    found.set(`${path}.lora_B`, tensor("float32", [b.length / config.rank, config.rank], b.slice()));
  }
  const shapes = scorerShapes(config);
  for (const name of Object.keys(shapes) as (keyof typeof shapes)[]) {
    found.set(SCORER_PREFIX + name, tensor("float32", shapes[name], scorer[name].slice()));
  }
  return found;
}

/** Parameters as an adapter with the given settings. */
export function adapterOf(parameters: Parameters, config: Adapter["config"]): Adapter {
  const values = (name: string): Float32Array<ArrayBuffer> => parameters.get(name)?.data ?? new Float32Array();
  const { numLayers, modules } = config.targets;
  const lora = new Map<string, { a: Float32Array<ArrayBuffer>; b: Float32Array<ArrayBuffer> }>();
  for (let layer = 0; layer < numLayers; layer++) {
    for (const { path } of modules) {
      const key = `${layerPrefix(layer)}${path}`;
      lora.set(key, { a: values(`${key}.lora_A`), b: values(`${key}.lora_B`) });
    }
  }
  const scorer = {
    "fc1.weight": values(`${SCORER_PREFIX}fc1.weight`),
    "fc1.bias": values(`${SCORER_PREFIX}fc1.bias`),
    "fc2.weight": values(`${SCORER_PREFIX}fc2.weight`),
    "fc2.bias": values(`${SCORER_PREFIX}fc2.bias`),
  };
  return { config, lora, scorer };
}

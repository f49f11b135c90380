import { type Adapter, type AdapterConfig, type AdapterSelection, USUAL_CHOICES } from "../../src/cache/adapter.ts";
import { familyOf } from "../../src/models/families/index.ts";
import type { LanguageModel } from "../../src/models/language-model.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { adapterOf, newParameters } from "../../src/train/new-parameters.ts";
import { randomFromSeed } from "../../src/util/random.ts";

/** An adapter that fits a model, with random numbers in every matrix: as after training, no B is zero. */
export function randomAdapter(
  { config, files }: Pick<LanguageModel, "config" | "files">,
  selection: AdapterSelection = "per-head",
): Adapter {
  const settings: AdapterConfig = {
    rank: 4,
    alpha: 4,
    useRslora: true,
    fanInFanOut: config.family === "gpt2",
    eta: 1,
    sinks: 2,
    gate: "sigmoid",
    selection,
    ...USUAL_CHOICES,
    scorerWidth: config.hiddenSize,
    baseModel: { name: files.name, hash: files.hash },
    targets: {
      layersPath: config.family === "gpt2" ? "transformer.h" : "model.layers",
      numLayers: config.numLayers,
      hiddenSize: config.hiddenSize,
      numKvHeads: config.numKvHeads,
      modules: familyOf(config).adaptedModules,
    },
    createdBy: "kv-distill test",
  };
  const random = randomFromSeed(5);
  const parameters = new Map(newParameters(settings, 4));
  for (const [name, { dims, data }] of parameters) {
    parameters.set(
      name,
      tensor(
        "float32",
        dims,
        data.map((value) => value + 0.1 * random.normal()),
      ),
    );
  }
  return adapterOf(parameters, settings);
}

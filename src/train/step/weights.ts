import type { ModelFiles } from "../../models/model-files.ts";
import { familyOf } from "../../models/families/index.ts";
import type { Resident, Runtime } from "../../runtime/runtime.ts";

/** The base model's weights as graph inputs, held once where the engine runs. */
export interface TrainingWeights {
  /** Weights outside the layers, by checkpoint name. */
  readonly shared: Readonly<Record<string, Resident>>;
  /** For every layer, its weights under the names of layer 0. */
  readonly layers: readonly Readonly<Record<string, Resident>>[];
  release(): void;
}

/** @throws KvDistillError `out-of-memory`, `disk`, `not-found` */
export async function loadTrainingWeights(runtime: Runtime, { config, weights }: ModelFiles): Promise<TrainingWeights> {
  const { layerPath } = familyOf(config);
  const shared: Record<string, Resident> = {};
  const layers = Array.from({ length: config.numLayers }, (): Record<string, Resident> => ({}));
  const paths = layers.map((_, layer) => `${layerPath(layer)}.`);
  for (const [name, { file, offset, dims }] of weights) {
    const resident = await runtime.uploadFromFile({ path: file, offset, dtype: "float32", dims });
    const layer = paths.findIndex((path) => name.startsWith(path));
    const own = layers[layer];
    if (own === undefined) shared[name] = resident;
    else own[name.replace(paths[layer] ?? "", paths[0] ?? "")] = resident;
  }
  const release = (): void => {
    for (const resident of [shared, ...layers].flatMap((set) => Object.values(set))) resident.release();
  };
  return { shared, layers, release };
}

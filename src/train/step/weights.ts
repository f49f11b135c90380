import type { ModelFiles } from "../../models/model-files.ts";
import { familyOf } from "../../models/families/index.ts";
import { largestInputs } from "../../models/precision/calibrate.ts";
import { readMatrix } from "../../models/precision/read-matrix.ts";
import type { Resident, Runtime } from "../../runtime/runtime.ts";
import type { EightBitLayers } from "./eight-bit-layers.ts";

/** The base model's weights as graph inputs, held once where the engine runs. */
export interface TrainingWeights {
  /** Weights outside the layers, by checkpoint name. */
  readonly shared: Readonly<Record<string, Resident>>;
  /** For every layer, its weights under the names of layer 0. */
  readonly layers: readonly Readonly<Record<string, Resident>>[];
  release(): void;
}

/**
 * @param eightBits for steps with products of 8 bits: their parts in the place of matrices that nothing takes in float32
 * @throws KvDistillError `out-of-memory`, `disk`, `not-found`; `unsupported` for 8 bits of matrices that do not divide into blocks
 */
export async function loadTrainingWeights(
  runtime: Runtime,
  files: ModelFiles,
  eightBits?: EightBitLayers,
): Promise<TrainingWeights> {
  const { config, weights } = files;
  const { layerPath } = familyOf(config);
  const shared: Record<string, Resident> = {};
  const layers = Array.from({ length: config.numLayers }, (): Record<string, Resident> => ({}));
  const paths = layers.map((_, layer) => `${layerPath(layer)}.`);
  const kept = eightBits === undefined ? undefined : await largestInputs(files, runtime);
  for (const [name, { file, offset, dims }] of weights) {
    const layer = paths.findIndex((path) => name.startsWith(path));
    const own = layers[layer];
    const nameInFirst = own === undefined ? name : name.replace(paths[layer] ?? "", paths[0] ?? "");
    const spec = own === undefined ? undefined : eightBits?.matrices.get(nameInFirst);
    if (own !== undefined && eightBits !== undefined && spec !== undefined) {
      const matrix = await readMatrix(files, { ...spec, name });
      for (const [part, value] of Object.entries(eightBits.parts(spec, matrix, kept?.get(name) ?? [])))
        own[part] = await runtime.upload(value);
      if (eightBits.replaces(spec)) continue;
    }
    const resident = await runtime.uploadFromFile({ path: file, offset, dtype: "float32", dims });
    (own ?? shared)[nameInFirst] = resident;
  }
  const release = (): void => {
    for (const resident of [shared, ...layers].flatMap((set) => Object.values(set))) resident.release();
  };
  return { shared, layers, release };
}

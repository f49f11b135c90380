import type { Runtime, Resident } from "../runtime/runtime.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * What training changes, or its gradients, by name: `layers.{i}.<module path>.lora_A`, `.lora_B`, and `scorer.fc1.weight`, … .
 */
export type Parameters = ReadonlyMap<string, Tensor<"float32">>;

/** Parameters where the engine runs. */
export interface LoadedParameters {
  /** Of one layer, named as its graph names them. */
  readonly layer: (index: number) => Readonly<Record<string, Resident>>;
  readonly scorer: Readonly<Record<string, Resident>>;
  release(): void;
}

export const layerPrefix = (index: number): string => `layers.${index}.`;
export const SCORER_PREFIX = "scorer.";

export async function loadParameters(runtime: Runtime, parameters: Parameters): Promise<LoadedParameters> {
  const names = [...parameters.keys()];
  const residents = await Promise.all([...parameters.values()].map((value) => runtime.upload(value)));
  const below = (prefix: string): Record<string, Resident> =>
    Object.fromEntries(
      names.flatMap((name, i) => {
        const resident = residents[i];
        return name.startsWith(prefix) && resident !== undefined ? [[name.slice(prefix.length), resident]] : [];
      }),
    );
  return {
    layer: (index) => below(layerPrefix(index)),
    scorer: below(SCORER_PREFIX),
    release: () => {
      for (const resident of residents) resident.release();
    },
  };
}

/** a + b, name by name; a name that only one has keeps its values. */
export function addParameters(a: Parameters, b: Parameters): Parameters {
  const sum = new Map(a);
  for (const [name, value] of b) {
    const before = a.get(name);
    sum.set(
      name,
      before === undefined ? value : { ...value, data: value.data.map((x, i) => x + (before.data[i] ?? 0)) },
    );
  }
  return sum;
}

import { scoreColumns, type Adapter, type AdapterConfig, type Scorer } from "./adapter.ts";

/** One tensor of an adapter folder. */
export interface AdapterTensor {
  readonly name: string;
  readonly shape: readonly number[];
}

/** Shapes of the scorer's tensors. */
export function scorerShapes(
  config: Pick<AdapterConfig, "selection" | "targets" | "scorerWidth">,
): Readonly<Record<keyof Scorer, readonly number[]>> {
  const { scorerWidth, targets } = config;
  const columns = scoreColumns(config);
  return {
    "fc1.weight": [scorerWidth, targets.hiddenSize],
    "fc1.bias": [scorerWidth],
    "fc2.weight": [columns, scorerWidth],
    "fc2.bias": [columns],
  };
}

/** The low-rank pairs of an adapter in order: by layer, then by module. Names of tensors are PEFT's. */
export function loraPairs({ rank, targets }: Pick<AdapterConfig, "rank" | "targets">): {
  readonly key: string;
  readonly a: AdapterTensor;
  readonly b: AdapterTensor;
}[] {
  const layers = Array.from({ length: targets.numLayers }, (_, i) => i);
  return layers.flatMap((i) =>
    targets.modules.map(({ path, inputs, outputs }) => {
      const prefix = `base_model.model.${targets.layersPath}.${i}.${path}`;
      return {
        key: `layers.${i}.${path}`,
        a: { name: `${prefix}.lora_A.weight`, shape: [rank, inputs] },
        b: { name: `${prefix}.lora_B.weight`, shape: [outputs, rank] },
      };
    }),
  );
}

/** Every array of an adapter with its shape, in the order of the adapter's hash; undefined where it is missing. */
export function adapterArrays({ config, lora, scorer }: Adapter): (AdapterTensor & {
  readonly values: Float32Array | undefined;
})[] {
  const shapes = scorerShapes(config);
  return [
    ...loraPairs(config).flatMap(({ key, a, b }) => [
      { ...a, values: lora.get(key)?.a },
      { ...b, values: lora.get(key)?.b },
    ]),
    ...(Object.keys(shapes) as (keyof Scorer)[]).map((name) => ({ name, shape: shapes[name], values: scorer[name] })),
  ];
}

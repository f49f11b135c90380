import type { Resident, Runtime } from "../runtime/runtime.ts";
import { tensor } from "../tensor/tensor.ts";
import type { AdapterShape } from "./adapter-inputs.ts";

/** One LoRA pair in host memory: A [rank, in], B [out, rank]. */
export interface LoraMatrices {
  readonly a: Float32Array<ArrayBuffer>;
  readonly b: Float32Array<ArrayBuffer>;
}

/** LoRA matrices where the engine runs, under the names that step graphs give them. */
export interface LoadedLora {
  readonly shape: AdapterShape;
  readonly residents: Readonly<Record<string, Resident>>;
  release(): void;
}

/** Uploads an adapter's matrices, given by "layers.{i}.<module path>". */
export async function loadLora(
  runtime: Runtime,
  matrices: ReadonlyMap<string, LoraMatrices>,
  shape: AdapterShape,
): Promise<LoadedLora> {
  const residents: Record<string, Resident> = {};
  for (const [path, { a, b }] of matrices) {
    const { rank } = shape;
    residents[`${path}.lora_A`] = await runtime.upload(tensor("float32", [rank, a.length / rank], a));
    residents[`${path}.lora_B`] = await runtime.upload(tensor("float32", [b.length / rank, rank], b));
  }
  return {
    shape,
    residents,
    release: () => {
      for (const resident of Object.values(residents)) resident.release();
    },
  };
}

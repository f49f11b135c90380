import type { SafetensorsFile } from "../formats/safetensors/open.ts";
import { readTensorFloats } from "../formats/safetensors/read.ts";
import type { TensorSource } from "../formats/safetensors/write.ts";
import { tensor, type Tensor } from "../tensor/tensor.ts";
import type { Parameters } from "./parameters.ts";

/** Parameters, or arrays that are shaped as they are, as tensors of a file: float32 under their names behind a prefix. */
export function parameterTensors(prefix: string, values: Parameters): TensorSource[] {
  return [...values].map(([name, { dims, data }]) => ({
    name: prefix + name,
    dtype: "F32",
    shape: dims,
    bytes: () => new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  }));
}

/** The tensors of a file whose names begin with a prefix. @throws KvDistillError as `readTensorFloats` */
export async function readParameterTensors(
  { entries }: Pick<SafetensorsFile, "entries">,
  prefix: string,
): Promise<Parameters> {
  const found = new Map<string, Tensor<"float32">>();
  for (const [name, entry] of entries) {
    if (!name.startsWith(prefix)) continue;
    found.set(name.slice(prefix.length), tensor("float32", entry.shape, await readTensorFloats(entry)));
  }
  return found;
}

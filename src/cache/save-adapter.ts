import { join } from "node:path";
import { floatTensor } from "../formats/safetensors/float-tensor.ts";
import { writeSafetensors, type TensorSource } from "../formats/safetensors/write.ts";
import { floatToHalf, halfToFloat } from "../formats/float16.ts";
import { writeFileAtomic } from "../util/atomic-file.ts";
import { writeFolderAtomic, type AtomicFolderOptions } from "../util/atomic-folder.ts";
import type { Adapter, Scorer } from "./adapter.ts";
import { adapterHash } from "./adapter-hash.ts";
import { encodeKvDistillJson, encodePeftJson } from "./adapter-json.ts";
import { adapterArrays } from "./adapter-tensors.ts";
import { checkAdapter } from "./check-adapter.ts";

export interface SaveAdapterOptions extends AtomicFolderOptions {
  /** How values are stored; F32 by default. F16 rounds them. */
  readonly dtype?: "F32" | "F16";
}

/**
 * Writes an adapter folder (docs/formats/adapter.md), whole or not at all.
 * @returns the hash of the adapter as stored
 * @throws KvDistillError `shape-mismatch` or `not-finite` (see `checkAdapter`; also a value too large for F16),
 * `bad-argument` (the folder exists and `replace` is not set), `disk`, `not-found`.
 */
export async function saveAdapter(folder: string, adapter: Adapter, options: SaveAdapterOptions = {}): Promise<string> {
  const dtype = options.dtype ?? "F32";
  checkAdapter(adapter, folder);
  const stored = dtype === "F16" ? roundedToHalf(adapter) : adapter;
  checkAdapter(stored, `${folder}: rounded to F16`);
  const hash = adapterHash(stored);
  const tensors = adapterArrays(stored).map(({ name, shape, values }) =>
    floatTensor(name, shape, values ?? new Float32Array(), dtype),
  );
  await writeFolderAtomic(folder, (temp) => writeFiles(temp, stored, hash, tensors), options);
  return hash;
}

async function writeFiles(
  folder: string,
  { config }: Adapter,
  hash: string,
  tensors: readonly TensorSource[],
): Promise<void> {
  const isScorer = ({ name }: TensorSource): boolean => name.startsWith("fc");
  const metadata = new Map([["format", "pt"]]);
  await writeSafetensors(
    join(folder, "adapter_model.safetensors"),
    tensors.filter((tensor) => !isScorer(tensor)),
    { metadata },
  );
  await writeSafetensors(join(folder, "scorer.safetensors"), tensors.filter(isScorer), { metadata });
  await writeFileAtomic(join(folder, "adapter_config.json"), jsonBytes(encodePeftJson(config)));
  await writeFileAtomic(join(folder, "kv-distill.json"), jsonBytes(encodeKvDistillJson(config, hash)));
}

function jsonBytes(value: object): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`);
}

/** The adapter whose values are those that half precision can hold. */
function roundedToHalf({ config, lora, scorer }: Adapter): Adapter {
  const half = (values: Float32Array): Float32Array<ArrayBuffer> => halfToFloat(floatToHalf(values));
  const pairs = [...lora].map(([key, { a, b }]) => [key, { a: half(a), b: half(b) }] as const);
  const rounded: Scorer = {
    "fc1.weight": half(scorer["fc1.weight"]),
    "fc1.bias": half(scorer["fc1.bias"]),
    "fc2.weight": half(scorer["fc2.weight"]),
    "fc2.bias": half(scorer["fc2.bias"]),
  };
  return { config, lora: new Map(pairs), scorer: rounded };
}

import { findEntry } from "../formats/safetensors/decode.ts";
import type { SafetensorsEntry, SafetensorsFile } from "../formats/safetensors/read-header.ts";
import { KvDistillError } from "../util/errors.ts";
import { faultList } from "../util/fault-list.ts";
import { quote } from "../util/quote.ts";
import type { Adapter, AdapterConfig, LoraMatrices } from "./adapter.ts";
import { loraPairs, scorerShapes, type AdapterTensor } from "./adapter-tensors.ts";

/** A safetensors file whose header was read, wherever it lies, and a way to its floating-point tensors. */
export interface FloatFile {
  readonly file: SafetensorsFile;
  floats(entry: SafetensorsEntry): Promise<Float32Array<ArrayBuffer>>;
}

/** The two safetensors files of an adapter folder. */
export interface AdapterFiles {
  readonly lora: FloatFile;
  readonly scorer: FloatFile;
}

/**
 * Reads exactly the tensors that the settings ask for.
 * @param otherFaults what else is wrong with the folder, reported in the same error
 * @throws KvDistillError `bad-file` listing every missing, unknown or misshapen tensor; `disk`, `out-of-memory`.
 */
export async function readAdapterTensors(
  folder: string,
  files: AdapterFiles,
  config: AdapterConfig,
  otherFaults: readonly string[] = [],
): Promise<Adapter> {
  const pairs = loraPairs(config);
  const shapes = scorerShapes(config);
  const faults = [
    ...otherFaults,
    ...tensorFaults(
      files.lora.file,
      pairs.flatMap(({ a, b }) => [a, b]),
    ),
    ...tensorFaults(
      files.scorer.file,
      Object.entries(shapes).map(([name, shape]) => ({ name, shape })),
    ),
  ];
  if (faults.length > 0) {
    throw new KvDistillError("bad-file", "the adapter is wrong", { where: folder, faults: faultList(faults) });
  }
  const floats = (from: FloatFile, name: string): Promise<Float32Array<ArrayBuffer>> =>
    from.floats(findEntry(from.file, name));
  const lora = new Map<string, LoraMatrices>();
  for (const { key, a, b } of pairs) {
    lora.set(key, { a: await floats(files.lora, a.name), b: await floats(files.lora, b.name) });
  }
  const scorer = {
    "fc1.weight": await floats(files.scorer, "fc1.weight"),
    "fc1.bias": await floats(files.scorer, "fc1.bias"),
    "fc2.weight": await floats(files.scorer, "fc2.weight"),
    "fc2.bias": await floats(files.scorer, "fc2.bias"),
  };
  return { config, lora, scorer };
}

function tensorFaults(file: SafetensorsFile, expected: readonly AdapterTensor[]): string[] {
  const faults: string[] = [];
  for (const { name, shape } of expected) {
    const entry = file.entries.get(name);
    const wanted = `[${shape.join(", ")}]`;
    if (entry === undefined) faults.push(`tensor ${name} is missing`);
    else if (!["F32", "F16", "BF16"].includes(entry.dtype)) faults.push(`tensor ${name} is ${entry.dtype}`);
    else if (`[${entry.shape.join(", ")}]` !== wanted) {
      faults.push(`tensor ${name} is [${entry.shape.join(", ")}], not ${wanted}`);
    }
  }
  const known = new Set(expected.map(({ name }) => name));
  for (const name of file.entries.keys()) if (!known.has(name)) faults.push(`unknown tensor ${quote(name)}`);
  return faults;
}

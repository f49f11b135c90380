import { join } from "node:path";
import { openSafetensors, type SafetensorsFile } from "../formats/safetensors/open.ts";
import { findEntry, readTensorFloats } from "../formats/safetensors/read.ts";
import { KvDistillError } from "../util/errors.ts";
import { faultList } from "../util/fault-list.ts";
import { quote } from "../util/quote.ts";
import type { Adapter, AdapterConfig, LoraMatrices } from "./adapter.ts";
import { loraPairs, scorerShapes, type AdapterTensor } from "./adapter-tensors.ts";

/** The two safetensors files of an adapter folder, headers only. */
export interface AdapterFiles {
  readonly lora: SafetensorsFile;
  readonly scorer: SafetensorsFile;
}

const LIMITS = { maxHeaderBytes: 16 << 20, maxTensors: 20_000 };

/**
 * Opens both files.
 * @throws KvDistillError as `openSafetensors`.
 */
export async function openAdapterFiles(folder: string): Promise<AdapterFiles> {
  const lora = await openSafetensors(join(folder, "adapter_model.safetensors"), LIMITS);
  const scorer = await openSafetensors(join(folder, "scorer.safetensors"), LIMITS);
  return { lora, scorer };
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
      files.lora,
      pairs.flatMap(({ a, b }) => [a, b]),
    ),
    ...tensorFaults(
      files.scorer,
      Object.entries(shapes).map(([name, shape]) => ({ name, shape })),
    ),
  ];
  if (faults.length > 0) {
    throw new KvDistillError("bad-file", "the adapter is wrong", { where: folder, faults: faultList(faults) });
  }
  const floats = (file: SafetensorsFile, name: string): Promise<Float32Array<ArrayBuffer>> =>
    readTensorFloats(findEntry(file, name));
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

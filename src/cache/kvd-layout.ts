import type { SafetensorsDType } from "../formats/safetensors/dtypes.ts";
import type { SafetensorsEntry, SafetensorsFile } from "../formats/safetensors/open.ts";
import { KvDistillError } from "../util/errors.ts";
import { faultList } from "../util/fault-list.ts";
import { quote } from "../util/quote.ts";

/** Element types that keys and values are stored in. */
export type KvdDType = "F16" | "F32";

/** Shapes of a cache file, from its header alone. */
export interface KvdLayout {
  readonly dtype: KvdDType;
  readonly numLayers: number;
  readonly numKvHeads: number;
  readonly slots: number;
  readonly headDim: number;
  /** Every layer and head has positions (and scores) of its own. */
  readonly perHead: boolean;
  readonly hasScores: boolean;
  readonly hasTokenIds: boolean;
}

/**
 * Works out a cache's shapes from a header and checks that the file holds exactly the tensors that they ask for.
 * @throws KvDistillError `bad-file` listing all faults.
 */
export function parseKvdLayout(file: SafetensorsFile, contextLength: number): KvdLayout {
  const first = file.entries.get("layers.0.k");
  const [numKvHeads = 0, slots = 0, headDim = 0] = first?.shape ?? [];
  if (first?.shape.length !== 3 || !isKvdDType(first.dtype) || numKvHeads * slots * headDim === 0) {
    throw new KvDistillError("bad-file", "no usable tensor layers.0.k", {
      where: file.path,
      expected: "F16 or F32 [kv heads, slots, head size]",
      got: first === undefined ? "none" : describe(first),
    });
  }
  const numLayers = [...file.entries.keys()].filter((name) => /^layers\.\d+\.k$/.test(name)).length;
  const layout: KvdLayout = {
    dtype: first.dtype,
    numLayers,
    numKvHeads,
    slots,
    headDim,
    perHead: file.entries.get("positions")?.shape.length === 3,
    hasScores: file.entries.has("scores"),
    hasTokenIds: file.entries.has("token_ids"),
  };
  checkTensors(file, expectedTensors(layout, contextLength));
  return layout;
}

/** Name, element type and shape of every tensor of a cache file. */
export function expectedTensors(
  { dtype, numLayers, numKvHeads, slots, headDim, perHead, hasScores, hasTokenIds }: KvdLayout,
  contextLength: number,
): Map<string, { readonly dtype: SafetensorsDType; readonly shape: readonly number[] }> {
  const tensors = new Map<string, { dtype: SafetensorsDType; shape: readonly number[] }>();
  const shape = [numKvHeads, slots, headDim];
  for (let i = 0; i < numLayers; i++) {
    tensors.set(`layers.${i}.k`, { dtype, shape });
    tensors.set(`layers.${i}.v`, { dtype, shape });
  }
  const tokenShape = perHead ? [numLayers, numKvHeads, slots] : [slots];
  tensors.set("positions", { dtype: "I32", shape: tokenShape });
  if (hasScores) tensors.set("scores", { dtype: "F32", shape: tokenShape });
  if (hasTokenIds) tensors.set("token_ids", { dtype: "I32", shape: [contextLength] });
  return tensors;
}

function checkTensors(file: SafetensorsFile, expected: ReturnType<typeof expectedTensors>): void {
  const faults: string[] = [];
  for (const [name, tensor] of expected) {
    const entry = file.entries.get(name);
    if (entry === undefined) faults.push(`${name} is missing`);
    else if (describe(entry) !== describe(tensor))
      faults.push(`${name} is ${describe(entry)}, not ${describe(tensor)}`);
  }
  for (const name of file.entries.keys()) {
    if (!expected.has(name)) faults.push(`unknown tensor ${quote(name)}`);
  }
  if (faults.length > 0) {
    throw new KvDistillError("bad-file", "the tensors are not those of a cache", {
      where: file.path,
      faults: faultList(faults),
    });
  }
}

function describe({ dtype, shape }: Pick<SafetensorsEntry, "dtype" | "shape">): string {
  return `${dtype} [${shape.join(", ")}]`;
}

function isKvdDType(dtype: SafetensorsDType): dtype is KvdDType {
  return dtype === "F16" || dtype === "F32";
}

import type { SafetensorsDType } from "../formats/safetensors/dtypes.ts";
import type { SafetensorsEntry, SafetensorsFile } from "../formats/safetensors/open.ts";
import { KvDistillError } from "../util/errors.ts";
import { faultList } from "../util/fault-list.ts";
import { quote } from "../util/quote.ts";
import { KVD_RAGGED_VERSION, type KvdFacts } from "./kvd-metadata.ts";

/** Element types that keys and values are stored in. */
export type KvdDType = "F16" | "F32";

/** Shapes of a cache file, from its header alone. */
export interface KvdLayout {
  readonly dtype: KvdDType;
  readonly numLayers: number;
  readonly numKvHeads: number;
  /** Rows of every head, or their mean. */
  readonly slots: number;
  readonly headDim: number;
  /** Rows of all heads of each layer, where heads hold different numbers. */
  readonly layerRows?: readonly number[];
  /** Every layer and head has positions (and scores) of its own. */
  readonly perHead: boolean;
  readonly hasScores: boolean;
  readonly hasTokenIds: boolean;
}

/**
 * Works out a cache's shapes from a header and checks that the file holds exactly the tensors that they ask for.
 * @throws KvDistillError `bad-file` listing all faults.
 */
export function parseKvdLayout(file: SafetensorsFile, { contextLength, version }: KvdFacts): KvdLayout {
  const layout: KvdLayout = {
    ...(version === KVD_RAGGED_VERSION ? raggedShape(file) : uniformShape(file)),
    perHead: version === KVD_RAGGED_VERSION || file.entries.get("positions")?.shape.length === 3,
    hasScores: file.entries.has("scores"),
    hasTokenIds: file.entries.has("token_ids"),
  };
  checkTensors(file, expectedTensors(layout, contextLength));
  return layout;
}

type Shape = Pick<KvdLayout, "dtype" | "numLayers" | "numKvHeads" | "slots" | "headDim" | "layerRows">;

function uniformShape(file: SafetensorsFile): Shape {
  const first = file.entries.get("layers.0.k");
  const [numKvHeads = 0, slots = 0, headDim = 0] = first?.shape ?? [];
  if (first?.shape.length !== 3 || !isKvdDType(first.dtype) || numKvHeads * slots * headDim === 0)
    throw unusable(file, "F16 or F32 [kv heads, slots, head size]");
  return { dtype: first.dtype, numLayers: layersOf(file), numKvHeads, slots, headDim };
}

function raggedShape(file: SafetensorsFile): Shape {
  const first = file.entries.get("layers.0.k");
  const headDim = first?.shape[1] ?? 0;
  const numLayers = layersOf(file);
  const layerRows = Array.from({ length: numLayers }, (_, i) => file.entries.get(`layers.${i}.k`)?.shape[0] ?? 0);
  const total = layerRows.reduce((sum, rows) => sum + rows, 0);
  const numKvHeads = file.entries.get("row_counts")?.shape[1] ?? 0;
  if (first?.shape.length !== 2 || !isKvdDType(first.dtype) || headDim * total === 0)
    throw unusable(file, "F16 or F32 [rows, head size]");
  if (numKvHeads === 0) {
    throw new KvDistillError("bad-file", "no usable tensor row_counts", {
      where: file.path,
      expected: `I32 [${numLayers}, kv heads]`,
    });
  }
  return { dtype: first.dtype, numLayers, numKvHeads, slots: total / (numLayers * numKvHeads), headDim, layerRows };
}

function layersOf({ entries }: SafetensorsFile): number {
  return [...entries.keys()].filter((name) => /^layers\.\d+\.k$/.test(name)).length;
}

function unusable(file: SafetensorsFile, expected: string): KvDistillError {
  const first = file.entries.get("layers.0.k");
  return new KvDistillError("bad-file", "no usable tensor layers.0.k", {
    where: file.path,
    expected,
    got: first === undefined ? "none" : describe(first),
  });
}

/** Name, element type and shape of every tensor of a cache file. */
export function expectedTensors(
  { dtype, numLayers, numKvHeads, slots, headDim, layerRows, perHead, hasScores, hasTokenIds }: KvdLayout,
  contextLength: number,
): Map<string, { readonly dtype: SafetensorsDType; readonly shape: readonly number[] }> {
  const tensors = new Map<string, { dtype: SafetensorsDType; shape: readonly number[] }>();
  for (let i = 0; i < numLayers; i++) {
    const shape = layerRows === undefined ? [numKvHeads, slots, headDim] : [layerRows[i] ?? 0, headDim];
    tensors.set(`layers.${i}.k`, { dtype, shape });
    tensors.set(`layers.${i}.v`, { dtype, shape });
  }
  const ownShape =
    layerRows === undefined ? [numLayers, numKvHeads, slots] : [layerRows.reduce((sum, rows) => sum + rows, 0)];
  const tokenShape = perHead ? ownShape : [slots];
  if (layerRows !== undefined) tensors.set("row_counts", { dtype: "I32", shape: [numLayers, numKvHeads] });
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

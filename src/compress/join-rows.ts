import type { KvCache } from "../cache/kv-cache.ts";
import { headsOf, type HostLayer, layerOf } from "../models/host-layer.ts";
import type { CompressedRows } from "./method.ts";

/** Rows of one stretch of a context; positions within the whole context. */
export type PlacedRows = CompressedRows;

/** Rows whose positions are counted from `start` as rows of the whole context. */
export function placeRows(rows: CompressedRows, start: number): PlacedRows {
  return start === 0 ? rows : { ...rows, positions: rows.positions.map((own) => own.map((at) => at + start)) };
}

interface Heads {
  readonly numLayers: number;
  readonly numKvHeads: number;
  readonly headDim: number;
}

/** Rows of all stretches, in order, as a cache holds them. Scores are left out when some stretch has none. */
export function joinRows(parts: readonly PlacedRows[], heads: Heads): Pick<KvCache, "layers" | "positions" | "scores"> {
  const { layers, positions, scores } = joinParts(parts, heads);
  return {
    layers,
    positions: filled(new Int32Array(sizeOf(positions)), positions),
    ...(scores === undefined ? {} : { scores: filled(new Float32Array(sizeOf(scores)), scores) }),
  };
}

function sizeOf(lists: readonly { readonly length: number }[]): number {
  return lists.reduce((sum, { length }) => sum + length, 0);
}

/** Lists one after the other. */
function filled<T extends Int32Array | Float32Array>(all: T, lists: readonly ArrayLike<number>[]): T {
  let at = 0;
  for (const own of lists) {
    all.set(own, at);
    at += own.length;
  }
  return all;
}

/** Rows of all stretches, in order, as one. Scores are left out when some stretch has none. */
export function joinParts(parts: readonly PlacedRows[], heads: Heads): PlacedRows {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  const scores = parts.flatMap((part) => (part.scores === undefined ? [] : [part.scores]));
  return {
    layers: Array.from({ length: heads.numLayers }, (_, layer) => joinLayer(parts, layer, heads)),
    positions: joinEntries(parts.map(({ positions }) => positions)).map((own) => Int32Array.from(own)),
    ...(scores.length === parts.length ? { scores: joinEntries(scores).map((own) => Float32Array.from(own)) } : {}),
  };
}

/** One layer: every head's rows of all stretches, in order. */
function joinLayer(parts: readonly PlacedRows[], layer: number, heads: Heads): HostLayer {
  const own = parts.flatMap(({ layers }) => layers.slice(layer, layer + 1)).map((rows) => headsOf(rows, heads));
  const stretches = Array.from({ length: heads.numKvHeads }, (_, head) => own.flatMap((rows) => rows[head] ?? []));
  return layerOf(stretches, heads.headDim);
}

/** Stretch after stretch within every head; one list for all heads when every stretch has one. */
function joinEntries(parts: readonly (readonly ArrayLike<number>[])[]): number[][] {
  const entries = Math.max(...parts.map((own) => own.length));
  return Array.from({ length: entries }, (_, entry) =>
    parts.flatMap((own) => Array.from(own[own.length === 1 ? 0 : entry] ?? [])),
  );
}

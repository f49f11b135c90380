import type { KvCache } from "../cache/kv-cache.ts";
import type { HostLayer } from "../models/layer-cache.ts";
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
    positions: Int32Array.from(positions.flatMap((own) => [...own])),
    ...(scores === undefined ? {} : { scores: Float32Array.from(scores.flatMap((own) => [...own])) }),
  };
}

/** Rows of all stretches, in order, as one. Scores are left out when some stretch has none. */
export function joinParts(parts: readonly PlacedRows[], heads: Heads): PlacedRows {
  const { numLayers, numKvHeads } = heads;
  const counts = Array.from({ length: numLayers }, (_, layer) =>
    Array.from({ length: numKvHeads }, (_, head) =>
      parts.reduce((sum, part) => sum + rowsOf(part.layers[layer], head, heads), 0),
    ),
  );
  const slots = Math.max(...counts.flat());
  const scores = parts.flatMap((part) => (part.scores === undefined ? [] : [part.scores]));
  return {
    layers: Array.from({ length: numLayers }, (_, layer) => joinLayer(parts, layer, counts[layer] ?? [], slots, heads)),
    positions: joinEntries(parts.map(({ positions }) => positions)).map((own) => Int32Array.from(own)),
    ...(scores.length === parts.length ? { scores: joinEntries(scores).map((own) => Float32Array.from(own)) } : {}),
  };
}

/** One layer, [kvHeads, slots, headDim]: what heads have fewer than `slots` is padding behind their rows. */
function joinLayer(
  parts: readonly PlacedRows[],
  layer: number,
  rowCounts: readonly number[],
  slots: number,
  heads: Heads,
): HostLayer {
  const { numKvHeads, headDim } = heads;
  const own = parts.flatMap(({ layers }) => layers.slice(layer, layer + 1));
  const join = (name: "keys" | "values"): Float32Array<ArrayBuffer> => {
    const joined = new Float32Array(numKvHeads * slots * headDim);
    for (let head = 0; head < numKvHeads; head++) {
      let offset = head * slots * headDim;
      for (const source of own) {
        const start = (head * source[name].length) / numKvHeads;
        const width = rowsOf(source, head, heads) * headDim;
        joined.set(source[name].subarray(start, start + width), offset);
        offset += width;
      }
    }
    return joined;
  };
  const joined = { keys: join("keys"), values: join("values") };
  return rowCounts.every((count) => count === slots) ? joined : { ...joined, rowCounts };
}

/** Rows of one head of a layer, padding left out. */
function rowsOf(layer: HostLayer | undefined, head: number, { numKvHeads, headDim }: Heads): number {
  return layer?.rowCounts?.[head] ?? (layer?.keys.length ?? 0) / (numKvHeads * headDim);
}

/** Stretch after stretch within every head; one list for all heads when every stretch has one. */
function joinEntries(parts: readonly (readonly ArrayLike<number>[])[]): number[][] {
  const entries = Math.max(...parts.map((own) => own.length));
  return Array.from({ length: entries }, (_, entry) =>
    parts.flatMap((own) => Array.from(own[own.length === 1 ? 0 : entry] ?? [])),
  );
}

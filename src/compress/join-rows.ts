import type { KvCache } from "../cache/kv-cache.ts";
import type { HostLayer } from "../models/layer-cache.ts";
import type { CompressedRows } from "./method.ts";

/** Rows of one stretch of a context; positions within the whole context. */
export type PlacedRows = CompressedRows;

/** Rows whose positions are counted from `start` as rows of the whole context. */
export function placeRows(rows: CompressedRows, start: number): PlacedRows {
  return start === 0 ? rows : { ...rows, positions: rows.positions.map((own) => own.map((at) => at + start)) };
}

/** Rows of all stretches, in order, as a cache holds them. Scores are left out when some stretch has none. */
export function joinRows(
  parts: readonly PlacedRows[],
  { numLayers, numKvHeads }: { readonly numLayers: number; readonly numKvHeads: number },
): Pick<KvCache, "layers" | "positions" | "scores"> {
  const scores = parts.flatMap((part) => (part.scores === undefined ? [] : [part.scores]));
  return {
    layers: Array.from({ length: numLayers }, (_, layer) => joinLayer(parts, layer, numKvHeads)),
    positions: Int32Array.from(joinEntries(parts.map(({ positions }) => positions))),
    ...(scores.length === parts.length ? { scores: Float32Array.from(joinEntries(scores)) } : {}),
  };
}

/** One layer, [kvHeads, slots, headDim]. */
function joinLayer(parts: readonly PlacedRows[], layer: number, numKvHeads: number): HostLayer {
  const own = parts.flatMap(({ layers }) => layers.slice(layer, layer + 1));
  const join = (sources: readonly Float32Array[]): Float32Array<ArrayBuffer> => {
    const joined = new Float32Array(sources.reduce((sum, source) => sum + source.length, 0));
    let offset = 0;
    for (let head = 0; head < numKvHeads; head++) {
      for (const source of sources) {
        const width = source.length / numKvHeads;
        joined.set(source.subarray(head * width, (head + 1) * width), offset);
        offset += width;
      }
    }
    return joined;
  };
  return { keys: join(own.map(({ keys }) => keys)), values: join(own.map(({ values }) => values)) };
}

/** Stretch after stretch within every head; one list for all heads when every stretch has one. */
function joinEntries(parts: readonly (readonly ArrayLike<number>[])[]): number[] {
  const entries = Math.max(...parts.map((own) => own.length));
  return Array.from({ length: entries }, (_, entry) =>
    parts.flatMap((own) => Array.from(own[own.length === 1 ? 0 : entry] ?? [])),
  ).flat();
}

import type { ModelConfig } from "./config.ts";

/**
 * Keys and values of one layer of one sequence in host memory: head 0's rows, [rows, headDim], then head 1's and so on. Where all heads have
 * equally many rows that is [kvHeads, rows, headDim]; where they do not, the layer is ragged.
 */
export interface HostLayer {
  /** After RoPE at the tokens' original positions. */
  readonly keys: Float32Array<ArrayBuffer>;
  readonly values: Float32Array<ArrayBuffer>;
  /** Rows of each kv head. Left out: all have equally many. */
  readonly rowCounts?: readonly number[];
}

/** Rows of one head, [rows, headDim] each. */
export interface HeadRows {
  readonly keys: Float32Array;
  readonly values: Float32Array;
}

type HeadShape = Pick<ModelConfig, "numKvHeads" | "headDim">;

/** Rows of each kv head of a layer. */
export function rowCountsOf({ keys, rowCounts }: HostLayer, { numKvHeads, headDim }: HeadShape): readonly number[] {
  return rowCounts ?? new Array<number>(numKvHeads).fill(keys.length / (numKvHeads * headDim));
}

/** Rows of every head of every layer, layer · numKvHeads + head. */
export function allRowCounts(layers: readonly HostLayer[], shape: HeadShape): number[] {
  return layers.flatMap((layer) => rowCountsOf(layer, shape));
}

/** Rows that a head holds, mean over layers and heads. */
export function heldRows(layers: readonly HostLayer[], { numKvHeads, headDim }: HeadShape): number {
  return layers.reduce((sum, { keys }) => sum + keys.length, 0) / (layers.length * numKvHeads * headDim);
}

/** Whether heads hold different numbers of rows, in one layer or another. */
export function isRagged(layers: readonly HostLayer[], shape: HeadShape): boolean {
  const [first, ...others] = allRowCounts(layers, shape);
  return others.some((count) => count !== first);
}

/** A layer's rows head by head, where they lie. */
export function headsOf(layer: HostLayer, shape: HeadShape): HeadRows[] {
  let end = 0;
  return rowCountsOf(layer, shape).map((count) => {
    const start = end;
    end += count * shape.headDim;
    return { keys: layer.keys.subarray(start, end), values: layer.values.subarray(start, end) };
  });
}

/** A layer of copies: for every head stretches of rows, one after the other. */
export function layerOf(heads: readonly (readonly HeadRows[])[], headDim: number): HostLayer {
  const join = (pick: "keys" | "values"): Float32Array<ArrayBuffer> => {
    const stretches = heads.flatMap((own) => own.map((rows) => rows[pick]));
    const all = new Float32Array(stretches.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const rows of stretches) {
      all.set(rows, at);
      at += rows.length;
    }
    return all;
  };
  const rowCounts = heads.map((own) => own.reduce((sum, { keys }) => sum + keys.length / headDim, 0));
  return countedLayer(join("keys"), join("values"), rowCounts);
}

/** A layer whose row counts are named where they differ. */
export function countedLayer(
  keys: Float32Array<ArrayBuffer>,
  values: Float32Array<ArrayBuffer>,
  rowCounts: readonly number[],
): HostLayer {
  return rowCounts.every((count) => count === rowCounts[0]) ? { keys, values } : { keys, values, rowCounts };
}

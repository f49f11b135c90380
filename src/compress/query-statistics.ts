import { asDType, tensor } from "../tensor/tensor.ts";
import type { CompressionContext } from "./context.ts";

/** Queries of one layer before the position encoding. */
export interface QueryStatistics {
  /** [queryHeads, headDim] */
  readonly mean: Float64Array;
  /** [queryHeads, headDim, headDim], divided by the number of tokens. */
  readonly covariance: Float64Array;
}

/**
 * Mean and covariance of the queries that the frozen model makes of a context's tokens, layer by layer. Chunks have theirs computed about their
 * own mean and are merged in float64: large means next to small deviations lose no digits.
 * @param skip leading tokens that are left out
 */
export async function queryStatistics(context: CompressionContext, skip: number): Promise<QueryStatistics[]> {
  const { model, ids, signal } = context;
  const { config } = model;
  const { numLayers, numQueryHeads: heads, headDim } = config;
  const merged = Array.from({ length: numLayers }, () => ({
    mean: new Float64Array(heads * headDim),
    covariance: new Float64Array(heads * headDim ** 2),
  }));
  let seen = 0;
  const cache = await context.newCache();
  try {
    const program = await model.stepProgram({
      result: "none",
      queryStatistics: true,
      ...(await model.fusedFor(ids.length, cache)),
    });
    for (const { start, chunk } of model.chunksOf(ids, signal)) {
      const counted = Float32Array.from(chunk, (_, i) => (start + i < skip ? 0 : 1));
      const count = counted.reduce((sum, one) => sum + one, 0);
      const extra = {
        counted: tensor("float32", [chunk.length, 1], counted),
        share: tensor(
          "float32",
          [1, chunk.length],
          counted.map((one) => one / Math.max(1, count)),
        ),
      };
      const outputs = await model.step({ program, config, ids: chunk, cache, layers: numLayers, extra });
      if (count === 0) continue;
      merged.forEach((own, layer) => {
        const mean = outputs[`layers.${layer}.queryMean`];
        const scatter = outputs[`layers.${layer}.queryScatter`];
        if (mean === undefined || scatter === undefined) return;
        merge(own, seen, asDType(mean, "float32").data, asDType(scatter, "float32").data, count, headDim);
      });
      seen += count;
    }
  } finally {
    cache.release();
  }
  return merged;
}

/** Adds `count` tokens with the given mean and sum of outer products to statistics of `seen` tokens (Chan, Golub and LeVeque 1979). */
function merge(
  { mean, covariance }: QueryStatistics,
  seen: number,
  newMean: Float32Array,
  newScatter: Float32Array,
  count: number,
  headDim: number,
): void {
  const total = seen + count;
  const shift = mean.map((value, i) => (newMean[i] ?? 0) - value);
  const weight = (seen * count) / total;
  for (let at = 0; at < covariance.length; at++) {
    const head = Math.floor(at / headDim ** 2);
    const [i, j] = [Math.floor(at / headDim) % headDim, at % headDim];
    const between = (shift[head * headDim + i] ?? 0) * (shift[head * headDim + j] ?? 0);
    covariance[at] = ((covariance[at] ?? 0) * seen + (newScatter[at] ?? 0) + weight * between) / total;
  }
  shift.forEach((value, i) => (mean[i] = (mean[i] ?? 0) + (value * count) / total));
}

import type { ModelConfig } from "../models/config.ts";
import type { QueryObserver } from "../models/language-model.ts";
import { asDType, type Tensor, tensor } from "../tensor/tensor.ts";
import type { CompressionContext } from "./context.ts";

/** Queries of one layer before the position encoding. */
export interface QueryStatistics {
  /** [queryHeads, headDim] */
  readonly mean: Float64Array;
  /** [queryHeads, headDim, headDim], divided by the number of tokens. */
  readonly covariance: Float64Array;
}

/**
 * Mean and covariance of the queries that the frozen model makes of a context's tokens, layer by layer.
 * @param skip leading tokens that are left out
 */
export async function queryStatistics(context: CompressionContext, skip: number): Promise<readonly QueryStatistics[]> {
  const { model, ids, signal } = context;
  const queries = new QueryCounter(model.config, skip);
  const cache = await context.newCache();
  try {
    await model.forward({ ids, cache, queries, ...(signal === undefined ? {} : { signal }) });
  } finally {
    cache.release();
  }
  return queries.layers;
}

/**
 * Mean and covariance of the queries of what is being read. Chunks have theirs computed about their own mean and are merged in float64: large
 * means next to small deviations lose no digits.
 */
export class QueryCounter implements QueryObserver {
  readonly layers: readonly QueryStatistics[];
  private readonly headDim: number;
  private readonly skip: number;
  private seen = 0;
  /** Tokens of the chunk that is being read. */
  private counted = 0;

  /** @param skip leading tokens that are left out */
  constructor({ numLayers, numQueryHeads, headDim }: ModelConfig, skip: number) {
    this.skip = skip;
    this.headDim = headDim;
    this.layers = Array.from({ length: numLayers }, () => ({
      mean: new Float64Array(numQueryHeads * headDim),
      covariance: new Float64Array(numQueryHeads * headDim ** 2),
    }));
  }

  inputs(start: number, count: number): Record<string, Tensor> {
    const counted = Float32Array.from({ length: count }, (_, i) => (start + i < this.skip ? 0 : 1));
    this.counted = counted.reduce((sum, one) => sum + one, 0);
    const share = counted.map((one) => one / Math.max(1, this.counted));
    return { counted: tensor("float32", [count, 1], counted), share: tensor("float32", [1, count], share) };
  }

  see(outputs: Readonly<Record<string, Tensor>>): void {
    if (this.counted === 0) return;
    this.layers.forEach((own, layer) => {
      const mean = outputs[`layers.${layer}.queryMean`];
      const scatter = outputs[`layers.${layer}.queryScatter`];
      if (mean === undefined || scatter === undefined) return;
      const [newMean, newScatter] = [asDType(mean, "float32").data, asDType(scatter, "float32").data];
      merge(own, this.seen, newMean, newScatter, this.counted, this.headDim);
    });
    this.seen += this.counted;
  }
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

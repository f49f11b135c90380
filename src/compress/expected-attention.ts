import { add, input, matMul, mul, reduceMean, reduceSum, softmax, sqrt, transposeLast } from "../graph/build.ts";
import { defineGraph, type Graph } from "../graph/graph.ts";
import type { ModelConfig } from "../models/config.ts";
import { asDType, type Tensor, tensor } from "../tensor/tensor.ts";
import type { CompressionContext } from "./context.ts";
import { meanRotation, type Rotation, rotateRows } from "./mean-rotation.ts";
import { type QueryStatistics, queryStatistics } from "./query-statistics.ts";

/**
 * Scores of Expected Attention (arXiv 2510.00636) for every layer, [kvHeads, tokens]: the mean over a group's query heads of
 * softmax(k·μ / √D + k·Σ·k / 2D), times the length of the value. μ and Σ are mean and covariance of the context's queries, turned by the mean
 * rotation of the next 512 positions. Sinks are left out of statistics and softmax, and score 1 above the highest.
 */
export function expectedAttentionScores(context: CompressionContext, sinks: number): Promise<Float32Array[]> {
  return context.once(`expected attention, ${sinks} sinks`, () => scoresOf(context, sinks));
}

async function scoresOf(context: CompressionContext, sinks: number): Promise<Float32Array[]> {
  const { model } = context;
  const { config } = model;
  const tokens = context.ids.length;
  const skip = Math.min(sinks, tokens);
  const rest = tokens - skip;
  if (rest === 0) return Array.from({ length: config.numLayers }, () => new Float32Array(config.numKvHeads * tokens));
  const { layers } = await context.full();
  const statistics = await queryStatistics(context, skip);
  const rotation = meanRotation(config, context.position + tokens);
  const program = await model.compile("expected-attention", () => expectedAttentionGraph(config));
  const cut = (rows: Float32Array): Tensor => withoutFirst(rows, skip, config);
  const scores: Float32Array[] = [];
  for (const [i, { keys, values }] of layers.entries()) {
    const own = statistics[i];
    if (own === undefined) continue;
    const { scores: found } = await program.run({
      keys: cut(keys),
      values: cut(values),
      ...expected(own, rotation, config),
    });
    if (found !== undefined) scores.push(withSinks(asDType(found, "float32").data, skip, tokens));
  }
  return scores;
}

/**
 * keys, values [G, N, D], mean [G, group, D, 1], covariance [G, group, D, D] -> scores [G, N].
 */
function expectedAttentionGraph({ numQueryHeads, numKvHeads, headDim }: ModelConfig): Graph {
  const group = numQueryHeads / numKvHeads;
  const keys = input("keys", "float32", [numKvHeads, 1, "N", headDim]);
  const values = input("values", "float32", [numKvHeads, 1, "N", headDim]);
  const mean = input("mean", "float32", [numKvHeads, group, headDim, 1]);
  const covariance = input("covariance", "float32", [numKvHeads, group, headDim, headDim]);
  const linear = mul(matMul(keys, mean), 1 / Math.sqrt(headDim));
  const quadratic = mul(reduceSum(mul(matMul(keys, covariance), keys), [3], true), 1 / headDim / 2);
  const weights = softmax(transposeLast(add(linear, quadratic)));
  const lengths = transposeLast(sqrt(reduceSum(mul(values, values), [3], true)));
  return defineGraph("expected-attention", { scores: mul(reduceMean(weights, [1], true), lengths) });
}

/** Scores of every head with those of `skip` sinks in front of them, 1 above the highest: [kvHeads, tokens] of [kvHeads, tokens − skip]. */
function withSinks(scores: Float32Array, skip: number, tokens: number): Float32Array {
  const rest = tokens - skip;
  const heads = scores.length / rest;
  const highest = scores.reduce((most, score) => Math.max(most, score), 0);
  const all = new Float32Array(heads * tokens).fill(highest + 1);
  for (let head = 0; head < heads; head++)
    all.set(scores.subarray(head * rest, (head + 1) * rest), head * tokens + skip);
  return all;
}

/** Statistics at the positions to come, as inputs of the graph. */
function expected(
  { mean, covariance }: QueryStatistics,
  rotation: Rotation | undefined,
  config: ModelConfig,
): Record<string, Tensor> {
  const { numQueryHeads, numKvHeads, headDim } = config;
  const group = numQueryHeads / numKvHeads;
  const turned = rotation === undefined ? mean : rotateRows(mean, rotation);
  // R Σ Rᵀ: rows turned, and, Σ being symmetric, rows of the transpose turned.
  const both =
    rotation === undefined
      ? covariance
      : rotateRows(transposeEach(rotateRows(covariance, rotation), headDim), rotation);
  return {
    mean: tensor("float32", [numKvHeads, group, headDim, 1], Float32Array.from(turned)),
    covariance: tensor("float32", [numKvHeads, group, headDim, headDim], Float32Array.from(both)),
  };
}

/** Of square matrices one after the other. */
function transposeEach(all: Float64Array, width: number): Float64Array {
  return all.map((_, at) => {
    const start = at - (at % width ** 2);
    const [i, j] = [Math.floor((at - start) / width), at % width];
    return all[start + j * width + i] ?? 0;
  });
}

/** [kvHeads, 1, tokens − skip, headDim] of [kvHeads, tokens, headDim]. */
function withoutFirst(rows: Float32Array, skip: number, { numKvHeads, headDim }: ModelConfig): Tensor {
  const tokens = rows.length / numKvHeads / headDim;
  const rest = tokens - skip;
  const cut = new Float32Array(numKvHeads * rest * headDim);
  for (let head = 0; head < numKvHeads; head++) {
    const start = (head * tokens + skip) * headDim;
    cut.set(rows.subarray(start, start + rest * headDim), head * rest * headDim);
  }
  return tensor("float32", [numKvHeads, 1, rest, headDim], cut);
}

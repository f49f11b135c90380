import { add, concat, matMul, mul, reshape, slice, softmax, transposeLast } from "../graph/build.ts";
import { addDims, type Dim, mulDims } from "../graph/dims.ts";
import type { Node } from "../graph/node.ts";

/** Keys and values of one stretch of tokens, [batch, kvHeads, tokens, headDim] each. */
export interface KeyValues {
  readonly keys: Node;
  readonly values: Node;
  /** Added to the scores of these keys, [batch, kvHeads, 1, tokens]: 0, or a large negative number for a row that is none. */
  readonly bias?: Node;
}

export interface Attended {
  /** [batch, queryHeads, tokens, headDim] */
  readonly mixed: Node;
  /** Attention probabilities, [batch, kvHeads, queryHeads / kvHeads, tokens, all keys]. */
  readonly weights: Node;
}

/**
 * Grouped-query attention over several stretches of keys and values, which are never joined: only their scores are. So a cache that is
 * fed as an input is read where it lies.
 * @param queries [batch, queryHeads, tokens, headDim]
 * @param stretches in the order of the columns of `bias`
 * @param bias [batch, 1, tokens, all keys], added to the scaled scores: 0 or a large negative number
 */
export function attention(queries: Node, stretches: readonly KeyValues[], bias: Node): Attended {
  const [batch = 1, queryHeads = 1, tokens = 1, headDim = 1] = queries.shape;
  const kvHeads = stretches[0]?.keys.shape[1] ?? 1;
  const group = Number(queryHeads) / Number(kvHeads);
  const rows = mulDims(group, tokens);
  const keyCount = addDims(...stretches.map(({ keys }) => keys.shape[2] ?? 0));

  // Queries of one group share keys, so they become rows of one product instead of repeating the keys.
  const grouped = mul(reshape(queries, [batch, kvHeads, rows, headDim]), 1 / Math.sqrt(Number(headDim)));
  const scores = stretches.map(({ keys, bias: own }) => {
    const products = matMul(grouped, transposeLast(keys));
    return own === undefined ? products : add(products, own);
  });
  const joined = scores.length === 1 && scores[0] !== undefined ? scores[0] : concat(scores, -1);
  const biased = add(
    reshape(joined, [batch, kvHeads, group, tokens, keyCount]),
    reshape(bias, [bias.shape[0] ?? 1, 1, 1, tokens, keyCount]),
  );
  const weights = softmax(biased);
  const rowWeights = reshape(weights, [batch, kvHeads, rows, keyCount]);

  let start: Dim = 0;
  const parts = stretches.map(({ values }) => {
    const end: Dim = addDims(start, values.shape[2] ?? 0);
    const part = matMul(stretches.length === 1 ? rowWeights : slice(rowWeights, -1, start, end), values);
    start = end;
    return part;
  });
  const mixed = parts.reduce((a, b) => add(a, b));
  return { mixed: reshape(mixed, [batch, queryHeads, tokens, headDim]), weights };
}

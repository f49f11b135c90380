import {
  add,
  cast,
  concat,
  div,
  exp,
  expand,
  groupQueryAttention,
  integers,
  log,
  matMul,
  mul,
  reduceMax,
  reduceSum,
  reshape,
  slice,
  softmax,
  sub,
  transpose,
  transposeLast,
} from "../graph/build.ts";
import { addDims, type Dim, mulDims } from "../graph/dims.ts";
import type { Node } from "../graph/node.ts";
import { KvDistillError } from "../util/errors.ts";
import { mergeHeads } from "./heads.ts";

/** Keys and values of one stretch of tokens, [batch, kvHeads, tokens, headDim] each. */
export interface KeyValues {
  readonly keys: Node;
  readonly values: Node;
}

/**
 * Rows that every token of several sequences sees, in a form that one product and one softmax are enough for: scores of many rows are costly to
 * add to, to join and to cut.
 */
export interface BaseRows {
  /**
   * [caches, stretches, 1 + rows, headDim + masks + 1]: `stretches` is kvHeads, or 1 where the rows of all kv heads lie one after the other. Behind each
   * row's key stands what is added to its score, 0 or a large negative number: once, or, in one stretch, for each kv head; then 0. The first row
   * stands for the keys that are no base: all 0, and last 1.
   */
  readonly keys: Node;
  /** [caches, stretches, 1 + rows, headDim], the first row 0. */
  readonly values: Node;
  /** Sequences of each cache, one after the other in the batch. */
  readonly seats: Dim;
}

/** How far tokens see that are read causally on top of a past, some of whose rows may only be reserved. */
export interface Reach {
  /** int32 [batch]: the last key of each sequence, counted from its first. */
  readonly last: Node;
  /** int32 [1]: how many keys the longest sequence has. */
  readonly total: Node;
}

export interface Attended {
  /** [batch · tokens, queryHeads · headDim] */
  readonly mixed: Node;
  /** Attention probabilities, [batch, kvHeads, queryHeads / kvHeads, tokens, all keys but the base's]; a fused kernel never has them. */
  readonly weights: Node | undefined;
}

/**
 * Attention probabilities that were written down.
 * @throws KvDistillError `unsupported` where a fused kernel kept them
 */
export function writtenWeights(weights: Node | undefined): Node {
  if (weights !== undefined) return weights;
  throw new KvDistillError("unsupported", "fused attention tells no attention probabilities", {
    where: "attention",
    hint: "give what tokens see as a bias",
  });
}

/**
 * Grouped-query attention over several stretches of keys and values, which are never joined: only their scores are. So a cache that is
 * fed as an input is read where it lies.
 * @param queries [batch, queryHeads, tokens, headDim]
 * @param stretches in the order of the columns of `bias`
 * @param bias [batch, 1 or kvHeads, tokens, all keys], added to the scaled scores: 0 or a large negative number
 * @param base before the stretches, whose columns alone `bias` has
 */
export function attention(queries: Node, stretches: readonly KeyValues[], bias: Node, base?: BaseRows): Attended {
  const [batch = 1, queryHeads = 1, tokens = 1, headDim = 1] = queries.shape;
  const kvHeads = stretches[0]?.keys.shape[1] ?? 1;
  const group = Number(queryHeads) / Number(kvHeads);
  const rows = mulDims(group, tokens);
  const keyCount = addDims(...stretches.map(({ keys }) => keys.shape[2] ?? 0));

  // Queries of one group share keys, so they become rows of one product instead of repeating the keys.
  const grouped = mul(reshape(queries, [batch, kvHeads, rows, headDim]), 1 / Math.sqrt(Number(headDim)));
  const scores = stretches.map(({ keys }) => matMul(grouped, transposeLast(keys)));
  const joined = scores.length === 1 && scores[0] !== undefined ? scores[0] : concat(scores, -1);
  const biased = add(
    reshape(joined, [batch, kvHeads, group, tokens, keyCount]),
    reshape(bias, [bias.shape[0] ?? 1, bias.shape[1] ?? 1, 1, tokens, keyCount]),
  );
  const weighted = (rowWeights: Node): Node => {
    let start: Dim = 0;
    const parts = stretches.map(({ values }) => {
      const end: Dim = addDims(start, values.shape[2] ?? 0);
      const part = matMul(stretches.length === 1 ? rowWeights : slice(rowWeights, -1, start, end), values);
      start = end;
      return part;
    });
    return parts.reduce((a, b) => add(a, b));
  };
  const merged = (mixed: Node): Node => mergeHeads(reshape(mixed, [batch, queryHeads, tokens, headDim]));
  if (base === undefined) {
    const weights = softmax(biased);
    return { mixed: merged(weighted(reshape(weights, [batch, kvHeads, rows, keyCount]))), weights };
  }
  const { powers, sum, logSum } = exponentials(reshape(biased, [batch, kvHeads, rows, keyCount]));
  const { mixed, share } = fromBase(grouped, logSum, base);
  const scale = div(share, sum);
  return {
    mixed: merged(add(mixed, mul(weighted(powers), scale))),
    weights: reshape(mul(powers, scale), biased.shape),
  };
}

/** What a softmax over the last axis is made of: its numerators, and their sum with its logarithm, [..., 1]. */
function exponentials(scores: Node): { readonly powers: Node; readonly sum: Node; readonly logSum: Node } {
  const axis = [scores.shape.length - 1];
  const most = reduceMax(scores, axis, true);
  const powers = exp(sub(scores, most));
  const sum = reduceSum(powers, axis, true);
  // The numerators are scaled down by the largest.
  return { powers, sum, logSum: add(log(sum), most) };
}

/**
 * Causal grouped-query attention of one kernel, which skips what no token sees and writes no scores down. Not differentiable; several tokens on
 * top of a past are of one sequence.
 * @param queries [batch, queryHeads, tokens, headDim]
 * @param past with at least as many rows as are in use; undefined where none are
 * @param own of the new tokens
 */
export function fusedAttention(
  queries: Node,
  past: KeyValues | undefined,
  own: KeyValues,
  { last, total }: Reach,
): Attended {
  const [batch = 1, numHeads = 1, tokens = 1] = queries.shape;
  const rowsOf = (pick: "keys" | "values"): Node => past?.[pick] ?? slice(own[pick], 2, 0, 0);
  const inRows = (heads: Node): Node => {
    const merged = mergeHeads(heads);
    return reshape(merged, [batch, tokens, merged.shape[1] ?? 1]);
  };
  const mixed = groupQueryAttention(
    {
      queries: inRows(queries),
      keys: inRows(own.keys),
      values: inRows(own.values),
      pastKeys: rowsOf("keys"),
      pastValues: rowsOf("values"),
      last,
      total,
    },
    { numHeads: Number(numHeads), kvHeads: Number(own.keys.shape[1]) },
  );
  return { mixed: reshape(mixed, [mulDims(batch, tokens), mixed.shape[2] ?? 1]), weights: undefined };
}

/**
 * Attention to a base that is shared with other keys. All queries of a cache meet its rows in one product, so that those are read once. Where the
 * rows of all heads lie one after the other the queries of all heads do, and rows of other heads are hidden: with few queries it takes as long
 * to read the rows as to multiply them. The other keys are one more row, whose score is the logarithm of the sum that they have in a softmax.
 * @param queries [batch, kvHeads, rows, headDim]
 * @param logSum of the other keys, [batch, kvHeads, rows, 1]
 * @returns what the base gives, as `queries`, and the share of attention that is left for the others, [batch, kvHeads, rows, 1]
 */
function fromBase(
  queries: Node,
  logSum: Node,
  { keys, values, seats }: BaseRows,
): { readonly mixed: Node; readonly share: Node } {
  const [batch = 1, kvHeads = 1, rows = 1, headDim = 1] = queries.shape;
  const [caches = 1, stretches = 1, , width = 0] = keys.shape;
  const masks = Number(width) - Number(headDim) - 1;
  const all = mulDims(seats, rows);
  // One sequence of each cache is in order as it is.
  const byCache = (x: Node, last: Dim): Node =>
    seats === 1
      ? x
      : reshape(transpose(reshape(x, [caches, seats, kvHeads, rows, last]), SWAP_SEATS), [caches, kvHeads, all, last]);
  const bySequence = (x: Node, last: Dim): Node =>
    seats === 1
      ? x
      : reshape(transpose(reshape(x, [caches, kvHeads, seats, rows, last]), SWAP_SEATS), [batch, kvHeads, rows, last]);

  const asked = concat([queries, expand(ownMask(Number(kvHeads), masks), [batch, kvHeads, rows, masks]), logSum], -1);
  const together = [caches, stretches, mulDims(Number(kvHeads) / Number(stretches), all)];
  const weights = softmax(matMul(reshape(byCache(asked, width), [...together, width]), transposeLast(keys)));
  const perHead = (x: Node, last: Dim): Node => bySequence(reshape(x, [caches, kvHeads, all, last]), last);
  return {
    mixed: perHead(matMul(weights, values), headDim),
    share: perHead(slice(weights, -1, 0, 1), 1),
  };
}

/** Which mask a query of each head takes, [1, kvHeads, 1, masks]: the only one, or its head's. */
function ownMask(kvHeads: number, masks: number): Node {
  const rows = Array.from({ length: kvHeads }, (_, head) =>
    Array.from({ length: masks }, (_, mask) => (masks === 1 || mask === head ? 1 : 0)),
  );
  return reshape(cast(integers(rows.flat()), "float32"), [1, kvHeads, 1, masks]);
}

/** [caches, seats, heads, …] and [caches, heads, seats, …]. */
const SWAP_SEATS = [0, 2, 1, 3, 4];

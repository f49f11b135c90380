import {
  add,
  concat,
  groupQueryAttention,
  matMul,
  mul,
  reshape,
  slice,
  softmax,
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

/** Rows of all kv heads one after the other, as many as each has, which every token sees: [batch, 1, rows, headDim] each. */
export interface BaseRows extends KeyValues {
  /** Added to the scores of these keys, [batch, kvHeads, 1, rows]: 0, or a large negative number for a row that is not the head's own. */
  readonly bias: Node;
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
  const shared = base && withBase(grouped, reshape(biased, [batch, kvHeads, rows, keyCount]), base);
  const weights = shared === undefined ? softmax(biased) : reshape(shared.weights, biased.shape);
  const rowWeights = shared?.weights ?? reshape(weights, [batch, kvHeads, rows, keyCount]);

  let start: Dim = 0;
  const parts = stretches.map(({ values }) => {
    const end: Dim = addDims(start, values.shape[2] ?? 0);
    const part = matMul(stretches.length === 1 ? rowWeights : slice(rowWeights, -1, start, end), values);
    start = end;
    return part;
  });
  const mixed = [...parts, ...(shared === undefined ? [] : [shared.mixed])].reduce((a, b) => add(a, b));
  return { mixed: mergeHeads(reshape(mixed, [batch, queryHeads, tokens, headDim])), weights };
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
 * Attention that is shared between a base and other keys. All heads' queries meet all rows of the base in one product, and those of other heads are
 * hidden: with few queries it takes as long to read the rows as to multiply them.
 * @param queries [batch, kvHeads, rows, headDim]
 * @param others scores of the other keys, [batch, kvHeads, rows, keys]
 * @returns what the base gives, as `queries`, and the attention that is left for the others, as `others`
 */
function withBase(
  queries: Node,
  others: Node,
  { keys, values, bias }: BaseRows,
): { readonly mixed: Node; readonly weights: Node } {
  const [batch = 1, kvHeads = 1, rows = 1, headDim = 1] = queries.shape;
  const count = keys.shape[2] ?? 0;
  const together = [batch, 1, mulDims(kvHeads, rows)];
  const scores = matMul(reshape(queries, [...together, headDim]), transposeLast(keys));
  const seen = add(reshape(scores, [batch, kvHeads, rows, count]), bias);
  const weights = softmax(concat([seen, others], -1));
  const mixed = matMul(reshape(slice(weights, -1, 0, count), [...together, count]), values);
  return {
    mixed: reshape(mixed, queries.shape),
    weights: slice(weights, -1, count, addDims(count, others.shape[3] ?? 0)),
  };
}

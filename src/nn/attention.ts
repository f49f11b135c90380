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

/** Keys and values of one kv head that every token sees, as many as this head has: [batch, 1, rows, headDim] each. */
export interface BaseRows extends KeyValues {
  /** Added to the scores of these keys, [batch, 1, 1, rows]: 0, or a large negative number for a row that is none. */
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
 * @param base of every kv head rows of its own, before the stretches; `bias` does not have them
 */
export function attention(
  queries: Node,
  stretches: readonly KeyValues[],
  bias: Node,
  base?: readonly BaseRows[],
): Attended {
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
 * Attention that is shared between each head's base and other keys, head by head: their numbers differ.
 * @param queries [batch, kvHeads, rows, headDim]
 * @param others scores of the other keys, [batch, kvHeads, rows, keys]
 * @returns what the base gives, as `queries`, and the attention that is left for the others, as `others`
 */
function withBase(
  queries: Node,
  others: Node,
  base: readonly BaseRows[],
): { readonly mixed: Node; readonly weights: Node } {
  const heads = base.map(({ keys, values, bias }, head) => {
    const count = keys.shape[2] ?? 0;
    const scores = add(matMul(slice(queries, 1, head, head + 1), transposeLast(keys)), bias);
    const weights = softmax(concat([scores, slice(others, 1, head, head + 1)], -1));
    return {
      mixed: matMul(slice(weights, -1, 0, count), values),
      weights: slice(weights, -1, count, addDims(count, others.shape[3] ?? 0)),
    };
  });
  return {
    mixed: concat(
      heads.map(({ mixed }) => mixed),
      1,
    ),
    weights: concat(
      heads.map(({ weights }) => weights),
      1,
    ),
  };
}

import { gather, reshape, transpose } from "../graph/build.ts";
import { type Dim, mulDims } from "../graph/dims.ts";
import type { Node } from "../graph/node.ts";

/** [batch · tokens, heads · headDim] -> [batch, heads, tokens, headDim]. */
export function splitHeads(x: Node, batch: Dim, tokens: Dim, heads: number, headDim: number): Node {
  return transpose(reshape(x, [batch, tokens, heads, headDim]), [0, 2, 1, 3]);
}

/** [batch, heads, tokens, headDim] -> [batch · tokens, heads · headDim]. */
export function mergeHeads(x: Node): Node {
  const [batch = 1, heads = 1, tokens = 1, headDim = 1] = x.shape;
  return reshape(transpose(x, [0, 2, 1, 3]), [mulDims(batch, tokens), mulDims(heads, headDim)]);
}

/**
 * Rows of keys or values, every head its own.
 * @param x [batch, heads, tokens, headDim]
 * @param index int64 [batch, heads, kept], each an index into batch · heads · tokens
 * @returns [batch, heads, kept, headDim]
 */
export function gatherRows(x: Node, index: Node): Node {
  const [batch = 1, heads = 1, tokens = 1, headDim = 1] = x.shape;
  return gather(reshape(x, [mulDims(batch, heads, tokens), headDim]), index);
}

import { gather, reshape } from "../../graph/build.ts";
import { mulDims } from "../../graph/dims.ts";
import type { Node } from "../../graph/node.ts";
import { type Attended, attention, fusedAttention, type KeyValues, type Reach } from "../../nn/attention.ts";
import { KvDistillError } from "../../util/errors.ts";
import { splitHeads } from "../../nn/heads.ts";
import type { BlockContext } from "./family.ts";

/**
 * What a block's queries gather from its context's past and from its own tokens.
 * @param queries [batch, queryHeads, tokens, headDim], after the position encoding
 */
export function attend(
  queries: Node,
  own: KeyValues,
  { sight, kernel, past, base, places }: BlockContext,
): Attended & { readonly swap: ReadonlyMap<Node, Node> } {
  const fused = (reach: Reach): Attended => {
    if (base === undefined) return fusedAttention(queries, past, own, reach);
    throw new KvDistillError("unsupported", "fused attention is over the same rows in every head", {
      where: "base",
      hint: "give what tokens see as a bias",
    });
  };
  if (!("op" in sight)) return { ...fused(sight), swap: new Map() };
  const all = attention(queries, past === undefined ? [own] : [past, own], sight, base);
  const written = places === undefined ? all : { ...all, mixed: gather(all.mixed, places) };
  return { ...written, swap: new Map(kernel === undefined ? [] : [[written.mixed, fused(kernel).mixed]]) };
}

/** Heads of rows of the residual stream, each where it stands: [rows, heads · headDim] -> [batch, heads, tokens, headDim]. */
export function headsAt(
  x: Node,
  { batch, tokens, rotaryRows, places }: BlockContext,
  heads: number,
  headDim: number,
): Node {
  const placed = places === undefined ? x : gather(x, reshape(rotaryRows, [mulDims(batch, tokens)]));
  return splitHeads(placed, batch, tokens, heads, headDim);
}

import type { Node } from "../../graph/node.ts";
import { type Attended, attention, fusedAttention, type KeyValues } from "../../nn/attention.ts";
import { KvDistillError } from "../../util/errors.ts";
import type { BlockContext } from "./family.ts";

/**
 * What a block's queries gather from its context's past and from its own tokens.
 * @param queries [batch, queryHeads, tokens, headDim], after the position encoding
 */
export function attend(
  queries: Node,
  own: KeyValues,
  { sight, kernel, past, base }: BlockContext,
): Attended & { readonly swap: ReadonlyMap<Node, Node> } {
  const reach = "op" in sight ? kernel : sight;
  if (reach !== undefined && base !== undefined) {
    throw new KvDistillError("unsupported", "fused attention is over the same rows in every head", {
      where: "base",
      hint: "give what tokens see as a bias",
    });
  }
  const fused = reach && fusedAttention(queries, past, own, reach);
  if (!("op" in sight)) return { ...(fused as Attended), swap: new Map() };
  const written = attention(queries, past === undefined ? [own] : [past, own], sight, base);
  return { ...written, swap: new Map(fused === undefined ? [] : [[written.mixed, fused.mixed]]) };
}

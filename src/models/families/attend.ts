import type { Node } from "../../graph/node.ts";
import { type Attended, attention, fusedAttention, type KeyValues } from "../../nn/attention.ts";
import { KvDistillError } from "../../util/errors.ts";
import type { BlockContext } from "./family.ts";

/**
 * What a block's queries gather from its context's past and from its own tokens.
 * @param queries [batch, queryHeads, tokens, headDim], after the position encoding
 */
export function attend(queries: Node, own: KeyValues, { sight, past, base }: BlockContext): Attended {
  if ("op" in sight) return attention(queries, past === undefined ? [own] : [past, own], sight, base);
  if (past === undefined || base !== undefined) {
    throw new KvDistillError("unsupported", "fused attention is over one past, the same rows in every head", {
      where: "sight",
      hint: "give what tokens see as a bias",
    });
  }
  return fusedAttention(queries, past, own, sight);
}

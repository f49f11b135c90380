import { gemm, mul } from "../graph/build.ts";
import type { Node } from "../graph/node.ts";

/** Low-rank update of one linear map: scale · x · Aᵀ · Bᵀ (rank-stabilised LoRA, arXiv 2312.03732: scale = α/√r). */
export interface Lora {
  /** [rank, in] */
  readonly a: Node;
  /** [out, rank] */
  readonly b: Node;
  readonly scale: number;
}

/**
 * Adds a LoRA update to a linear map's result.
 * @param x [tokens, in]
 * @param result [tokens, out], the frozen map of x
 * @param strength [tokens, 1], what each token's update is multiplied by: 0 where it does not apply (METHOD section 2)
 */
export function addLora(x: Node, result: Node, { a, b, scale }: Lora, strength: Node): Node {
  // On the narrow side: rank columns instead of `out`.
  return gemm(mul(gemm(x, a, { transB: true }), strength), b, { transB: true, alpha: scale, addend: result });
}

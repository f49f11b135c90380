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
 * @param routed [tokens, 1], 1 where the update applies and 0 elsewhere; everywhere when not given (METHOD section 2)
 */
export function addLora(x: Node, result: Node, { a, b, scale }: Lora, routed?: Node): Node {
  const inner = gemm(x, a, { transB: true });
  // Routing masks the narrow side: rank columns instead of `out`.
  return gemm(routed === undefined ? inner : mul(inner, routed), b, { transB: true, alpha: scale, addend: result });
}

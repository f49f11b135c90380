import { fill, gemm, input, layerNorm } from "../graph/build.ts";
import type { Node } from "../graph/node.ts";
import { activate } from "../nn/activation.ts";

/** Parameters of the scorer as graph inputs; names as in scorer.safetensors. */
export interface ScorerInputs {
  /** [hidden, hidden] */
  readonly "fc1.weight": Node;
  /** [hidden] */
  readonly "fc1.bias": Node;
  /** [columns, hidden] */
  readonly "fc2.weight": Node;
  /** [columns] */
  readonly "fc2.bias": Node;
}

/** @param columns scores of a token: 1, or one for every layer and kv head */
export function scorerInputs(hiddenSize: number, columns: number): ScorerInputs {
  return {
    "fc1.weight": input("fc1.weight", "float32", [hiddenSize, hiddenSize]),
    "fc1.bias": input("fc1.bias", "float32", [hiddenSize]),
    "fc2.weight": input("fc2.weight", "float32", [columns, hiddenSize]),
    "fc2.bias": input("fc2.bias", "float32", [columns]),
  };
}

/** Epsilon of the layer norm in front, PyTorch's default. */
const EPSILON = 1e-5;

/**
 * Scores of every token (METHOD section 1): layer norm without parameters, Linear, GELU, Linear.
 * @param hidden residual stream of the frozen model after η blocks, [tokens, hidden]
 * @returns [tokens, columns]
 */
export function score(hidden: Node, parameters: ScorerInputs): Node {
  const [, width = 1] = hidden.shape;
  const normed = layerNorm(hidden, EPSILON, fill(1, [width]));
  const inner = activate(
    "gelu",
    gemm(normed, parameters["fc1.weight"], { transB: true, addend: parameters["fc1.bias"] }),
  );
  return gemm(inner, parameters["fc2.weight"], { transB: true, addend: parameters["fc2.bias"] });
}

import { fill, gemm, input, layerNorm, reshape } from "../graph/build.ts";
import type { Node } from "../graph/node.ts";
import { activate } from "../nn/activation.ts";

/** Parameters of the scorer as graph inputs; names as in scorer.safetensors. */
export interface ScorerInputs {
  /** [hidden, hidden] */
  readonly "fc1.weight": Node;
  /** [hidden] */
  readonly "fc1.bias": Node;
  /** [1, hidden] */
  readonly "fc2.weight": Node;
  /** [1] */
  readonly "fc2.bias": Node;
}

export function scorerInputs(hiddenSize: number): ScorerInputs {
  return {
    "fc1.weight": input("fc1.weight", "float32", [hiddenSize, hiddenSize]),
    "fc1.bias": input("fc1.bias", "float32", [hiddenSize]),
    "fc2.weight": input("fc2.weight", "float32", [1, hiddenSize]),
    "fc2.bias": input("fc2.bias", "float32", [1]),
  };
}

/** Epsilon of the layer norm in front, PyTorch's default. */
const EPSILON = 1e-5;

/**
 * Score of every token (METHOD section 1): layer norm without parameters, Linear, GELU, Linear to one.
 * @param hidden residual stream of the frozen model after η blocks, [tokens, hidden]
 * @returns [tokens]
 */
export function score(hidden: Node, parameters: ScorerInputs): Node {
  const [tokens = 1, width = 1] = hidden.shape;
  const normed = layerNorm(hidden, EPSILON, fill(1, [width]));
  const inner = activate(
    "gelu",
    gemm(normed, parameters["fc1.weight"], { transB: true, addend: parameters["fc1.bias"] }),
  );
  return reshape(gemm(inner, parameters["fc2.weight"], { transB: true, addend: parameters["fc2.bias"] }), [tokens]);
}

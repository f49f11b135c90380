import { add, erf, mul, sigmoid, tanh } from "../graph/build.ts";
import type { Node } from "../graph/node.ts";

/** x · σ(x). */
const silu = (x: Node): Node => mul(x, sigmoid(x));

/** x · Φ(x), exact. */
export const gelu = (x: Node): Node => mul(mul(x, 0.5), add(erf(mul(x, Math.SQRT1_2)), 1));

/** The tanh approximation of GELU that GPT-2 was trained with ("gelu_new"). */
function geluTanh(x: Node): Node {
  const inner = mul(add(x, mul(mul(mul(x, x), x), 0.044715)), Math.sqrt(2 / Math.PI));
  return mul(mul(x, 0.5), add(tanh(inner), 1));
}

const activations = { silu, gelu, "gelu-tanh": geluTanh };

/** Names as model configurations use them. */
export type ActivationName = keyof typeof activations;

export const activate = (name: ActivationName, x: Node): Node => activations[name](x);

import { type AdapterConfig, scoreColumns, type ScorerForm, USUAL_CHOICES } from "../cache/adapter.ts";
import { fill, gemm, input, layerNorm } from "../graph/build.ts";
import type { Node } from "../graph/node.ts";
import { activate } from "../nn/activation.ts";

/** Everything that a scorer's graph depends on. */
export interface ScorerShape extends ScorerForm {
  readonly hiddenSize: number;
  /** Scores of a token: 1, or one for every layer and kv head. */
  readonly columns: number;
}

/** The scorer of an adapter. */
export function scorerShapeOf(config: AdapterConfig): ScorerShape {
  const { scorerNorm, scorerActivation, scorerWidth, targets } = config;
  return {
    scorerNorm,
    scorerActivation,
    scorerWidth,
    hiddenSize: targets.hiddenSize,
    columns: scoreColumns(config),
  };
}

/** The scorer of a model where nothing is said of its form. */
export function usualScorer({ hiddenSize }: Pick<ScorerShape, "hiddenSize">, columns: number): ScorerShape {
  const { scorerNorm, scorerActivation } = USUAL_CHOICES;
  return { scorerNorm, scorerActivation, scorerWidth: hiddenSize, hiddenSize, columns };
}

/** Parameters of the scorer as graph inputs; names as in scorer.safetensors. */
export interface ScorerInputs {
  /** [width, hidden] */
  readonly "fc1.weight": Node;
  /** [width] */
  readonly "fc1.bias": Node;
  /** [columns, width] */
  readonly "fc2.weight": Node;
  /** [columns] */
  readonly "fc2.bias": Node;
}

export function scorerInputs({ hiddenSize, columns, scorerWidth }: ScorerShape): ScorerInputs {
  return {
    "fc1.weight": input("fc1.weight", "float32", [scorerWidth, hiddenSize]),
    "fc1.bias": input("fc1.bias", "float32", [scorerWidth]),
    "fc2.weight": input("fc2.weight", "float32", [columns, scorerWidth]),
    "fc2.bias": input("fc2.bias", "float32", [columns]),
  };
}

/** Epsilon of the layer norm in front, PyTorch's default. */
const EPSILON = 1e-5;

/**
 * Scores of every token (METHOD section 1): layer norm without parameters, Linear, activation, Linear.
 * @param hidden residual stream of the frozen model after η blocks, [tokens, hidden]
 * @returns [tokens, columns]
 */
export function score(hidden: Node, parameters: ScorerInputs, { scorerNorm, scorerActivation }: ScorerForm): Node {
  const [, width = 1] = hidden.shape;
  const normed = scorerNorm === "layer" ? layerNorm(hidden, EPSILON, fill(1, [width])) : hidden;
  const inner = activate(
    scorerActivation,
    gemm(normed, parameters["fc1.weight"], { transB: true, addend: parameters["fc1.bias"] }),
  );
  return gemm(inner, parameters["fc2.weight"], { transB: true, addend: parameters["fc2.bias"] });
}

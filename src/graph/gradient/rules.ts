import type { Node } from "../node.ts";
import type { OpName } from "../operators.ts";
import { elementwiseGradients } from "./elementwise.ts";
import { linearGradients } from "./linear.ts";
import { movementGradients } from "./movement.ts";
import { normalisationGradients } from "./normalisation.ts";
import type { GradientRule, GradientRules } from "./rule.ts";

/** Operators without a derivative: leaves, comparisons, and what only inference uses. */
type NonDifferentiableOp =
  | "Input"
  | "Weight"
  | "Constant"
  | "ConstantOfShape"
  | "Equal"
  | "LessOrEqual"
  | "ArgMax"
  | "MatMulNBits"
  | "QuantizeLinear"
  | "MatMulIntegerToFloat"
  | "GroupQueryAttention";
export type DifferentiableOp = Exclude<OpName, NonDifferentiableOp>;

/** Total over the differentiable operators: an operator without a rule does not compile. */
const rules: GradientRules<DifferentiableOp> = {
  ...elementwiseGradients,
  ...linearGradients,
  ...normalisationGradients,
  ...movementGradients,
};

export const differentiableOps = Object.keys(rules) as readonly DifferentiableOp[];

function isDifferentiable(op: OpName): op is DifferentiableOp {
  return Object.hasOwn(rules, op);
}

/** Gradients of a node's inputs, from the gradient of its result; none where the operator has no derivative. */
export function inputGradients(node: Node, gradient: Node): readonly (Node | undefined)[] {
  if (!isDifferentiable(node.op)) return [];
  const rule = rules[node.op] as GradientRule<OpName>;
  return rule(node, gradient, node.inputs);
}

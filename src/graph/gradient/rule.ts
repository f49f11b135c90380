import { KvDistillError } from "../../util/errors.ts";
import type { Node } from "../node.ts";
import type { OpName } from "../operators.ts";

/**
 * Vector-Jacobian product of one operator: from the node, the gradient of its result and its inputs, the gradients of the inputs in
 * order. A rule may return a gradient of the broadcast shape (the walk sums it back) and `undefined` for inputs without a derivative.
 */
export type GradientRule<K extends OpName> = (
  node: Node<K>,
  gradient: Node,
  inputs: readonly Node[],
) => readonly (Node | undefined)[];
export type GradientRules<K extends OpName> = { readonly [Op in K]: GradientRule<Op> };

/** The i-th input of a rule. */
export function at(inputs: readonly Node[], i: number): Node {
  const node = inputs[i];
  if (node === undefined) throw new KvDistillError("invalid-graph", `input ${i} is missing`);
  return node;
}

import { KvDistillError } from "../../util/errors.ts";
import { add, fill } from "../build.ts";
import { sameShape } from "../dims.ts";
import { printType } from "../infer/infer.ts";
import { reachable } from "../graph.ts";
import type { Node } from "../node.ts";
import { unbroadcast } from "./broadcast.ts";
import { inputGradients } from "./rules.ts";

/** A float32 value and the gradient that flows back into it, of the same shape. */
export interface Seed {
  readonly value: Node;
  readonly gradient: Node;
}

/**
 * Reverse-mode differentiation: gradients of Σ ⟨value, gradient⟩ over the seeds, with respect to `wrt`. Zero where nothing flows.
 * @throws KvDistillError `shape-mismatch` when a seed's gradient has another type than its value, or something is not float32.
 */
export function gradients(seeds: readonly Seed[], wrt: readonly Node[]): Node[] {
  checkTypes(seeds, wrt);
  const order = reachable(seeds.map((seed) => seed.value));
  const targets = new Set(wrt);
  const onPath = new Set<Node>();
  for (const node of order) if (targets.has(node) || node.inputs.some((input) => onPath.has(input))) onPath.add(node);

  const flowing = new Map<Node, Node>();
  const accumulate = (node: Node, gradient: Node): void => {
    const before = flowing.get(node);
    flowing.set(node, before === undefined ? gradient : add(before, gradient));
  };
  for (const { value, gradient } of seeds) if (onPath.has(value)) accumulate(value, gradient);
  for (const node of order.toReversed()) {
    const gradient = flowing.get(node);
    if (gradient === undefined || !onPath.has(node)) continue;
    inputGradients(node, gradient).forEach((inputGradient, i) => {
      const input = node.inputs[i];
      if (inputGradient !== undefined && input !== undefined && onPath.has(input)) {
        accumulate(input, unbroadcast(inputGradient, input.shape));
      }
    });
  }
  return wrt.map((node) => flowing.get(node) ?? fill(0, node.shape));
}

function checkTypes(seeds: readonly Seed[], wrt: readonly Node[]): void {
  for (const { value, gradient } of seeds) {
    if (!sameShape(value.shape, gradient.shape)) {
      throw new KvDistillError("shape-mismatch", "gradient of a seed has another shape", {
        expected: printType(value),
        got: printType(gradient),
      });
    }
  }
  for (const node of [...seeds.flatMap(({ value, gradient }) => [value, gradient]), ...wrt]) {
    if (node.dtype !== "float32") {
      throw new KvDistillError("shape-mismatch", "only float32 has gradients", {
        where: node.op,
        got: printType(node),
      });
    }
  }
}

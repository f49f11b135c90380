import { add, exp, input, logSoftmax, mul, reduceSum, sub } from "../../graph/build.ts";
import { gradients } from "../../graph/gradient/reverse-mode.ts";
import { fill } from "../../graph/build.ts";
import { defineGraph, type Graph } from "../../graph/graph.ts";
import type { Node } from "../../graph/node.ts";
import type { ModelConfig } from "../../models/config.ts";
import { familyOf } from "../../models/families/index.ts";

/** KL(a‖b) of every row, from log-probabilities [rows, vocabulary]. */
const divergence = (a: Node, b: Node): Node => reduceSum(mul(exp(a), sub(a, b)), [-1]);

/**
 * The loss (METHOD section 5) and its gradient, for a slice of M answer tokens:
 * Σ weight · (λ · KL(p‖q) + (1 − λ) · KL(q‖p)), p the teacher, q the student, both over the whole vocabulary in log space.
 *
 * Inputs: teacher, student: final residual stream [M, hidden]; weight [M].
 * Outputs: loss [], forwardKl, reverseKl [M] unweighted, d.student [M, hidden].
 */
export function lossGraph(config: ModelConfig, lambda: number): Graph {
  const family = familyOf(config);
  const rows = (name: string): Node => input(name, "float32", ["M", config.hiddenSize]);
  const [teacher, student] = [rows("teacher"), rows("student")];
  const p = logSoftmax(family.head(teacher));
  const q = logSoftmax(family.head(student));
  const forwardKl = divergence(p, q);
  const reverseKl = divergence(q, p);
  const mixed = add(mul(forwardKl, lambda), mul(reverseKl, 1 - lambda));
  const loss = reduceSum(mul(mixed, input("weight", "float32", ["M"])), [0]);
  const [dStudent] = gradients([{ value: loss, gradient: fill(1, []) }], [student]);
  return defineGraph("loss", {
    loss,
    forwardKl,
    reverseKl,
    ...(dStudent === undefined ? {} : { "d.student": dStudent }),
  });
}

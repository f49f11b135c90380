import { fill, input, mul, reduceMean, sub } from "../../graph/build.ts";
import { defineGraph, type Graph } from "../../graph/graph.ts";
import { gradients } from "../../graph/gradient/reverse-mode.ts";
import type { Node } from "../../graph/node.ts";
import { score, scorerInputs, type ScorerShape } from "../../compress/scorer.ts";

/**
 * Least squares for the scorer: hidden [N, hidden], targets [N, columns] -> loss [], the mean squared distance of scores and targets, and
 * its gradient by every parameter, `d.<name>`.
 */
export function scorerFitGraph(shape: ScorerShape): Graph {
  const parameters = scorerInputs(shape);
  const distance = sub(
    score(input("hidden", "float32", ["N", shape.hiddenSize]), parameters, shape),
    input("targets", "float32", ["N", shape.columns]),
  );
  const loss = reduceMean(mul(distance, distance), [0, 1]);
  const names = Object.keys(parameters) as (keyof typeof parameters)[];
  const found = gradients(
    [{ value: loss, gradient: fill(1, []) }],
    names.map((name): Node => parameters[name]),
  );
  const outputs: Record<string, Node> = { loss };
  names.forEach((name, i) => {
    const gradient = found[i];
    if (gradient !== undefined) outputs[`d.${name}`] = gradient;
  });
  return defineGraph("scorer.fit", outputs);
}

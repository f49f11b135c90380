import { input } from "../graph/build.ts";
import { defineGraph, type Graph } from "../graph/graph.ts";
import { score, scorerInputs, type ScorerShape } from "./scorer.ts";

/** hidden [N, E] -> scores [N, columns], with the scorer's parameters as inputs. */
export function scorerGraph(shape: ScorerShape): Graph {
  const hidden = input("hidden", "float32", ["N", shape.hiddenSize]);
  return defineGraph("scorer", { scores: score(hidden, scorerInputs(shape), shape) });
}

/** A name of its own for every scorer's graph. */
export function scorerKey({ columns, scorerWidth, scorerNorm, scorerActivation }: ScorerShape): string {
  return ["scorer", columns, scorerWidth, scorerNorm, scorerActivation].join(".");
}

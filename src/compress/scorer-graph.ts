import { input } from "../graph/build.ts";
import { defineGraph, type Graph } from "../graph/graph.ts";
import { score, scorerInputs } from "./scorer.ts";

/** hidden [N, E] -> scores [N, columns], with the scorer's parameters as inputs. */
export function scorerGraph(hiddenSize: number, columns: number): Graph {
  return defineGraph("scorer", {
    scores: score(input("hidden", "float32", ["N", hiddenSize]), scorerInputs(hiddenSize, columns)),
  });
}

import { input } from "../../graph/build.ts";
import { splitBackward, type SplitGraphs } from "../../graph/gradient/split.ts";
import { score, scorerInputs, type ScorerShape } from "../../compress/scorer.ts";

/** hidden [N, hidden] -> scores [N, columns]; differentiable by the scorer's parameters. */
export function scorerGraphs(shape: ScorerShape): SplitGraphs {
  const parameters = scorerInputs(shape);
  const scores = score(input("hidden", "float32", ["N", shape.hiddenSize]), parameters, shape);
  return splitBackward({ name: "scorer", outputs: { scores }, wrt: { ...parameters } });
}

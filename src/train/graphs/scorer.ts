import { input } from "../../graph/build.ts";
import { splitBackward, type SplitGraphs } from "../../graph/gradient/split.ts";
import { score, scorerInputs } from "../../compress/scorer.ts";

/** hidden [N, hidden] -> scores [N, columns]; differentiable by the scorer's parameters. */
export function scorerGraphs(hiddenSize: number, columns: number): SplitGraphs {
  const parameters = scorerInputs(hiddenSize, columns);
  const scores = score(input("hidden", "float32", ["N", hiddenSize]), parameters);
  return splitBackward({ name: "scorer", outputs: { scores }, wrt: { ...parameters } });
}

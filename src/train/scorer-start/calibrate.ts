import type { ScorerShape } from "../../compress/scorer.ts";
import { scorerGraph } from "../../compress/scorer-graph.ts";
import { writeOnnx } from "../../graph/onnx/writer.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { asDType, tensor } from "../../tensor/tensor.ts";
import { type Parameters, SCORER_PREFIX } from "../parameters.ts";
import type { ScorerSample } from "./targets.ts";

/**
 * Brings a scorer's columns to the scale of their targets, in place: of each the least-squares line through scores and targets goes into
 * the last layer. The order within a column stays as it was. For a scorer that has learnt something: one whose scores say nothing of
 * the targets is flattened.
 */
export async function calibrateScorer(
  runtime: Runtime,
  parameters: Parameters,
  samples: readonly ScorerSample[],
  shape: ScorerShape,
): Promise<void> {
  const { hiddenSize, scorerWidth, columns } = shape;
  const program = await runtime.load({ name: "scorer", bytes: writeOnnx(scorerGraph(shape)) });
  const lines = Array.from({ length: columns }, () => new Line());
  try {
    for (const { hidden, targets } of samples) {
      const feeds = new Map([["hidden", tensor("float32", [hidden.length / hiddenSize, hiddenSize], hidden.slice())]]);
      for (const [name, value] of parameters) {
        if (name.startsWith(SCORER_PREFIX)) feeds.set(name.slice(SCORER_PREFIX.length), value);
      }
      const { scores } = await program.run(Object.fromEntries(feeds));
      if (scores === undefined) throw new RangeError("the scorer's graph has no scores");
      asDType(scores, "float32").data.forEach((score, i) => lines[i % columns]?.add(score, targets[i] ?? 0));
    }
  } finally {
    await program.close();
  }
  const weight = parameters.get(`${SCORER_PREFIX}fc2.weight`)?.data;
  const bias = parameters.get(`${SCORER_PREFIX}fc2.bias`)?.data;
  if (weight === undefined || bias === undefined) throw new RangeError("there is no scorer among the parameters");
  lines.forEach((line, column) => {
    const { slope, offset } = line.fit();
    for (let i = column * scorerWidth; i < (column + 1) * scorerWidth; i++) weight[i] = slope * (weight[i] ?? 0);
    bias[column] = slope * (bias[column] ?? 0) + offset;
  });
}

/** Sums for a line through points, in float64. */
class Line {
  private count = 0;
  private x = 0;
  private y = 0;
  private xx = 0;
  private xy = 0;

  add(x: number, y: number): void {
    this.count++;
    this.x += x;
    this.y += y;
    this.xx += x * x;
    this.xy += x * y;
  }

  /** Scores that are all equal have no slope. */
  fit(): { readonly slope: number; readonly offset: number } {
    const spread = this.xx - (this.x * this.x) / this.count;
    const slope = spread > 0 ? (this.xy - (this.x * this.y) / this.count) / spread : 0;
    return { slope, offset: (this.y - slope * this.x) / this.count };
  }
}

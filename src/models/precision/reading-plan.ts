import type { ModelConfig } from "../config.ts";
import { keptInputs } from "./eight-bit.ts";
import type { EightBitPlan } from "./eight-bit-graph.ts";
import type { MatrixSpec } from "./products.ts";

/** Which products of reading are computed in 8 bits, and how. The output matrix stays float32: few rows meet it (docs/decisions/0200). */
export function readingPlan({ vocabSize }: ModelConfig): (spec: MatrixSpec) => EightBitPlan | undefined {
  return ({ name, rows, columns }) =>
    rows === vocabSize ? undefined : { name, kept: keptInputs(columns), rotated: true };
}

import type { ModelConfig } from "../config.ts";
import { keptInputs } from "./eight-bit.ts";
import type { EightBitPlan } from "./eight-bit-graph.ts";
import type { MatrixSpec } from "./products.ts";

/**
 * Which products of reading are computed in 8 bits. The output matrix stays float32, as few rows meet it, and so do matrices behind a block's inner
 * activations, whose rounding does more than that of all others (experiments, E16).
 */
export function readingPlan({
  vocabSize,
  intermediateSize,
}: ModelConfig): (spec: MatrixSpec) => EightBitPlan | undefined {
  return ({ name, rows, columns }) =>
    rows === vocabSize || columns === intermediateSize ? undefined : { name, kept: keptInputs(columns) };
}

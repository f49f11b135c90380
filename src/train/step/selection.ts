import { gateSlope, gateValue } from "../../compress/gate.ts";
import { keptCount } from "../../compress/kept-count.ts";
import { selectKept } from "../../compress/select.ts";
import { ints, type Tensor, tensor } from "../../tensor/tensor.ts";
import type { TrainingBatch } from "../batch.ts";
import type { StepSettings } from "./engine.ts";

/** Kept tokens of a batch, as the graphs want them. */
export interface Selection {
  /** Positions, sorted, of every passage. */
  readonly kept: readonly Int32Array[];
  /** K: the most kept in a passage. */
  readonly width: number;
  /** [B, K] int64 rows of the flattened contexts; padded with the passage's first row, which the reader's bias hides. */
  readonly rows: Tensor<"int64">;
  /** [B, K] factors on the keys. */
  readonly gate: Tensor<"float32">;
  /** [B · S, 1]: 1 for kept tokens. */
  readonly routed: Tensor<"float32">;
}

/** Selects the kept tokens of every passage by score. */
export function select(
  batch: TrainingBatch,
  scores: Float32Array,
  keep: readonly number[],
  { sinks, gate }: StepSettings,
): Selection {
  const { contextWidth } = batch;
  const kept = batch.contextLengths.map((length, b) => {
    const own = scores.subarray(b * contextWidth, b * contextWidth + length);
    return selectKept(own, keptCount(length, keep[b] ?? 1, sinks), sinks);
  });
  const width = Math.max(...kept.map((positions) => positions.length));
  const rows = kept.flatMap((positions, b) =>
    Array.from({ length: width }, (_, i) => b * contextWidth + (positions[i] ?? 0)),
  );
  const gates = new Float32Array(kept.length * width).fill(1);
  const routed = new Float32Array(kept.length * contextWidth);
  kept.forEach((positions, b) => {
    positions.forEach((position, i) => {
      const row = b * contextWidth + position;
      routed[row] = 1;
      // Sinks have gate 1.
      if (position >= sinks) gates[b * width + i] = gateValue(gate, scores[row] ?? 0);
    });
  });
  return {
    kept,
    width,
    rows: ints([kept.length, width], rows),
    gate: tensor("float32", [kept.length, width], gates),
    routed: tensor("float32", [routed.length, 1], routed),
  };
}

/** Gradient of the scores [B · S] from that of the gates [B, K]: the scorer's only path (METHOD section 3). */
export function scoreGradient(
  batch: TrainingBatch,
  { kept, width }: Selection,
  scores: Float32Array,
  gateGradient: Float32Array,
  sinks: number,
): Tensor<"float32"> {
  const gradient = new Float32Array(scores.length);
  kept.forEach((positions, b) => {
    positions.forEach((position, i) => {
      if (position < sinks) return;
      const row = b * batch.contextWidth + position;
      gradient[row] = (gateGradient[b * width + i] ?? 0) * gateSlope(scores[row] ?? 0);
    });
  });
  return tensor("float32", [gradient.length], gradient);
}

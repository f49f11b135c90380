import type { ModelConfig } from "../models/config.ts";
import { rotaryTables } from "../models/rotary.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Positions after a context from which it is going to be looked at. As in kvpress. */
const FUTURE = 512;

/** For each dimension the factor on itself and on its partner of the mean rotation. */
export interface Rotation {
  readonly cos: Float64Array;
  readonly sin: Float64Array;
}

/** The mean of the rotations at the next 512 positions from `start` on; none where positions are learned. */
export function meanRotation(config: ModelConfig, start: number): Rotation | undefined {
  if (config.positions === "learned") return undefined;
  const half = config.headDim / 2;
  const { cos, sin } = rotaryTables(
    config,
    Int32Array.from({ length: FUTURE }, (_, i) => start + i),
  );
  const mean = ({ data }: Tensor<"float32">): Float64Array => {
    const sums = new Float64Array(config.headDim);
    data.forEach((value, at) => {
      const d = at % half;
      sums[d] = (sums[d] ?? 0) + value / FUTURE;
      sums[half + d] = sums[d] ?? 0;
    });
    return sums;
  };
  return { cos: mean(cos), sin: mean(sin) };
}

/** Turns every row of [rows, headDim]: x -> cos · x + sin · (−second half, first half). */
export function rotateRows(rows: Float64Array, { cos, sin }: Rotation): Float64Array {
  const width = cos.length;
  const half = width / 2;
  return rows.map((value, at) => {
    const d = at % width;
    const partner = d < half ? -(rows[at + half] ?? 0) : (rows[at - half] ?? 0);
    return value * (cos[d] ?? 0) + partner * (sin[d] ?? 0);
  });
}

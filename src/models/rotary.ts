import { type Tensor, tensor } from "../tensor/tensor.ts";
import type { LlamaConfig } from "./config.ts";

/** cos and sin of position · frequency, one row a position, [rows, headDim / 2] each. */
export interface RotaryTables {
  readonly cos: Tensor<"float32">;
  readonly sin: Tensor<"float32">;
}

/** Rotary tables (arXiv 2104.09864) at the given positions; any order, gaps and repeats allowed. */
export function rotaryTables(config: LlamaConfig, positions: ArrayLike<number>): RotaryTables {
  const frequencies = inverseFrequencies(config);
  const width = frequencies.length;
  const cos = new Float32Array(positions.length * width);
  const sin = new Float32Array(positions.length * width);
  for (let row = 0; row < positions.length; row++) {
    for (let i = 0; i < width; i++) {
      // The angle is a float32 product, as in the reference implementations: at large positions float64 would differ visibly.
      const angle = Math.fround((positions[row] ?? 0) * (frequencies[i] ?? 0));
      cos[row * width + i] = Math.cos(angle);
      sin[row * width + i] = Math.sin(angle);
    }
  }
  const dims = [positions.length, width];
  return { cos: tensor("float32", dims, cos), sin: tensor("float32", dims, sin) };
}

/** Rotations per token of each pair of dimensions, [headDim / 2], after the model's scaling. */
export function inverseFrequencies({ headDim, ropeTheta, ropeScaling }: LlamaConfig): Float32Array {
  const plain = Float32Array.from({ length: headDim / 2 }, (_, i) => 1 / Math.fround(ropeTheta ** ((2 * i) / headDim)));
  if (ropeScaling === undefined) return plain;
  if (ropeScaling.type === "linear") return plain.map((frequency) => frequency / ropeScaling.factor);
  // Llama 3: long wavelengths are stretched, short ones kept, those between are blended.
  const { factor, lowFreqFactor, highFreqFactor, originalMaxPositions } = ropeScaling;
  return plain.map((frequency) => {
    const wavelength = (2 * Math.PI) / frequency;
    if (wavelength < originalMaxPositions / highFreqFactor) return frequency;
    if (wavelength > originalMaxPositions / lowFreqFactor) return frequency / factor;
    const blend = (originalMaxPositions / wavelength - lowFreqFactor) / (highFreqFactor - lowFreqFactor);
    return (1 - blend) * (frequency / factor) + blend * frequency;
  });
}

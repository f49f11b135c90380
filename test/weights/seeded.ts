import type { Tensor } from "../../src/tensor/tensor.ts";
import { tensor } from "../../src/tensor/tensor.ts";

/** Projections that the golden file holds of each gradient. */
export const SIGNS = 32;

/** The formula of test/golden/smollm2/make_training.py: a 32-bit hash of a 32-bit integer. */
function mix(value: number): number {
  let x = value >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** Values of tensor `number` of the adapter: uniform in offset ± scale / 2. */
export function seededValues(
  number: number,
  dims: readonly number[],
  scale: number,
  offset: number,
): Tensor<"float32"> {
  const start = mix(2 * number);
  const count = dims.reduce((a, b) => a * b, 1);
  const data = Float32Array.from({ length: count }, (_, i) => {
    const unit = (mix(i + start) >>> 8) / 2 ** 24 - 0.5;
    return unit * scale + offset;
  });
  return tensor("float32", dims, data);
}

/** Sums of the values of tensor `number` with random signs, one sum for each of 32 choices of signs. */
export function signProjections(number: number, values: Float32Array): Float64Array {
  const sums = new Float64Array(SIGNS);
  const start = mix(2 * number + 1);
  values.forEach((value, i) => {
    const signs = mix(i + start);
    for (let bit = 0; bit < SIGNS; bit++) sums[bit] = (sums[bit] ?? 0) + ((signs >>> bit) & 1 ? value : -value);
  });
  return sums;
}

/**
 * Norm of the difference between a tensor and another of which only the projections are known: the root of their mean square, since signs are
 * independent. With 32 of them it is off by an eighth or so.
 */
export function seededDistance(number: number, values: Float32Array, projections: ArrayLike<number>): number {
  const sums = signProjections(number, values);
  const squares = sums.map((sum, i) => (sum - (projections[i] ?? NaN)) ** 2);
  return Math.sqrt(squares.reduce((a, b) => a + b, 0) / SIGNS);
}

/** Euclidean norm in float64. */
export function normOf(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
}

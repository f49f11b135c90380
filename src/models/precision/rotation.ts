/** So many neighbours are rotated together. Matrices that are had in 8 bits divide into as many. */
export const ROTATED_TOGETHER = 32;

/**
 * The Hadamard matrix of 32 rows over its root [32, 32], row by row: symmetric and its own inverse. It spreads one large number of a block
 * over all of them, so that rounding to steps of the largest loses less (QuaRot, arXiv 2404.00456).
 */
export function rotation(): Float32Array {
  const size = ROTATED_TOGETHER;
  const matrix = Float32Array.from({ length: size * size }, (_, i) => (Math.floor(i / size) === i % size ? 1 : 0));
  rotateRows(matrix);
  return matrix;
}

/** Multiplies each block of 32 numbers with `rotation()`, in place, by sums and differences (fast Walsh-Hadamard transform), rounded once. */
export function rotateRows(numbers: Float32Array): void {
  const size = ROTATED_TOGETHER;
  const norm = Math.fround(1 / Math.sqrt(size));
  const sums = Float64Array.from(numbers);
  for (let half = 1; half < size; half *= 2) {
    for (let start = 0; start < sums.length; start += 2 * half) {
      for (let i = start; i < start + half; i++) {
        const [a, b] = [sums[i] ?? 0, sums[i + half] ?? 0];
        sums[i] = a + b;
        sums[i + half] = a - b;
      }
    }
  }
  for (let i = 0; i < numbers.length; i++) numbers[i] = (sums[i] ?? 0) * norm;
}

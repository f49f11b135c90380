/** So many neighbours are rotated together. Matrices that are had in 8 bits divide into as many. */
export const ROTATED_TOGETHER = 32;

/**
 * The Hadamard matrix of 32 rows over its root [32, 32], row by row: symmetric and its own inverse. It spreads one large number of a block
 * over all of them, so that rounding to steps of the largest loses less (QuaRot, arXiv 2404.00456).
 */
export function rotation(): Float32Array {
  const size = ROTATED_TOGETHER;
  return Float32Array.from({ length: size * size }, (_, i) => {
    const common = Math.floor(i / size) & (i % size);
    return sign(common) / Math.sqrt(size);
  });
}

/** 1 for an even number of ones among the bits, otherwise -1. */
function sign(bits: number): number {
  let odd = 0;
  for (let left = bits; left > 0; left >>= 1) odd ^= left & 1;
  return odd === 1 ? -1 : 1;
}

/** Rotates each block of 32 numbers, in place. */
export function rotateRows(numbers: Float32Array): void {
  const size = ROTATED_TOGETHER;
  const matrix = rotation();
  for (let start = 0; start < numbers.length; start += size) {
    const block = numbers.slice(start, start + size);
    for (let i = 0; i < size; i++) {
      let sum = 0;
      for (let j = 0; j < size; j++) sum += (block[j] ?? 0) * (matrix[j * size + i] ?? 0);
      numbers[start + i] = sum;
    }
  }
}

/** Numbers of a row that share a scale. */
export const BLOCK_SIZE = 32;

/**
 * A matrix [rows, columns] in blocks of 32 numbers along a row. At 4 bits a number is (packed − 8) · scale + floor, at 8 bits
 * (packed − 128) · scale. Packed is [rows, blocks, 4 · bits], low bits first; scales and floors are [rows, blocks].
 */
export interface QuantisedMatrix {
  readonly packed: Uint8Array<ArrayBuffer>;
  readonly scales: Float32Array<ArrayBuffer>;
  /** Of 4 bits alone. */
  readonly floors: Float32Array<ArrayBuffer> | undefined;
}

/**
 * @param matrix [rows, columns], columns a multiple of 32
 * @param bits 4: 15 steps between the smallest and largest number of a block, which gives back what was stored as GGUF's Q4_0 or Q4_1; 8: 127 steps
 * to the largest magnitude
 */
export function quantise(matrix: Float32Array, bits: 4 | 8): QuantisedMatrix {
  return bits === 4 ? quantise4(matrix) : quantise8(matrix);
}

function quantise4(matrix: Float32Array): QuantisedMatrix {
  const blocks = matrix.length / BLOCK_SIZE;
  const packed = new Uint8Array(matrix.length / 2);
  const scales = new Float32Array(blocks);
  const floors = new Float32Array(blocks);
  for (let block = 0; block < blocks; block++) {
    const start = block * BLOCK_SIZE;
    const own = matrix.subarray(start, start + BLOCK_SIZE);
    let [least, most] = [Infinity, -Infinity];
    for (const value of own) {
      least = Math.min(least, value);
      most = Math.max(most, value);
    }
    const step = (most - least) / 15;
    scales[block] = step;
    floors[block] = least + 8 * step;
    for (let i = 0; i < BLOCK_SIZE; i++) {
      const number = step === 0 ? 0 : Math.min(15, Math.round(((own[i] ?? 0) - least) / step));
      const at = (start + i) >> 1;
      packed[at] = (packed[at] ?? 0) | (number << (4 * (i % 2)));
    }
  }
  return { packed, scales, floors };
}

function quantise8(matrix: Float32Array): QuantisedMatrix {
  const blocks = matrix.length / BLOCK_SIZE;
  const packed = new Uint8Array(matrix.length);
  const scales = new Float32Array(blocks);
  for (let block = 0; block < blocks; block++) {
    const start = block * BLOCK_SIZE;
    let most = 0;
    for (let i = start; i < start + BLOCK_SIZE; i++) most = Math.max(most, Math.abs(matrix[i] ?? 0));
    const step = most / 127;
    scales[block] = step;
    for (let i = start; i < start + BLOCK_SIZE; i++) {
      packed[i] = 128 + (step === 0 ? 0 : Math.round((matrix[i] ?? 0) / step));
    }
  }
  return { packed, scales, floors: undefined };
}

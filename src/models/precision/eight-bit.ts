import { rotateRows } from "./rotation.ts";

/** How matrices of 8 bits are stored: signed, or 128 more, for processors whose signed products saturate. */
export type EightBits = "int8" | "uint8";

export const zeroPointOf = (type: EightBits): number => (type === "int8" ? 0 : 128);

/** How many inputs of a product stay float32, of rotated ones: KL to float32 is 0.0063 nats with none, 0.0024 with a 64th (experiments, E25). */
export const keptInputs = (columns: number): number => Math.max(1, columns >> 6);

/**
 * A matrix [rows, columns] in 8 bits, a scale for each row, but for the columns that stay float32. A number is
 * (value − zero point) · scale; of a rotated matrix it is one of the rotated rows, in which what is kept is 0.
 */
export interface EightBitMatrix {
  /** [columns, rows], as the engine multiplies; the zero point in kept columns, if it is not rotated. */
  readonly values: Uint8Array<ArrayBuffer>;
  readonly scales: Float32Array<ArrayBuffer>;
  /** The kept columns, [rows, kept]. */
  readonly kept: Float32Array<ArrayBuffer>;
}

/**
 * @param keptColumns places of the columns that stay float32
 * @param rotated whether the product's other inputs are
 */
export function eightBitMatrix(
  matrix: Float32Array,
  rows: number,
  keptColumns: readonly number[],
  type: EightBits,
  rotated: boolean,
): EightBitMatrix {
  const columns = matrix.length / rows;
  const zero = zeroPointOf(type);
  const values = new Uint8Array(matrix.length).fill(zero);
  const scales = new Float32Array(rows);
  const kept = new Float32Array(rows * keptColumns.length);
  for (let row = 0; row < rows; row++) {
    const others = matrix.slice(row * columns, (row + 1) * columns);
    keptColumns.forEach((column, i) => {
      kept[row * keptColumns.length + i] = others[column] ?? 0;
      others[column] = 0;
    });
    if (rotated) rotateRows(others);
    let largest = 0;
    for (const value of others) largest = Math.max(largest, Math.abs(value));
    const scale = largest / 127;
    scales[row] = scale;
    if (scale === 0) continue;
    // Stored modulo 256, which is two's complement.
    for (let column = 0; column < columns; column++)
      values[column * rows + row] = zero + Math.round((others[column] ?? 0) / scale);
  }
  return { values, scales, kept };
}

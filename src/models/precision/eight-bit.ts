/** How matrices of 8 bits are stored: signed, or 128 more, for processors whose signed products saturate. */
export type EightBits = "int8" | "uint8";

export const zeroPointOf = (type: EightBits): number => (type === "int8" ? 0 : 128);

/** How many inputs of a product stay float32: KL to float32 is 0.035 nats with none of them, 0.007 with 32 of 576 (experiments, E16). */
export const keptInputs = (columns: number): number => Math.max(1, columns >> 4);

/**
 * A matrix [rows, columns] in 8 bits, a scale for each row, but for the columns that stay float32. A number is
 * (value − zero point) · scale.
 */
export interface EightBitMatrix {
  /** [columns, rows], as the engine multiplies; the zero point in kept columns. */
  readonly values: Uint8Array<ArrayBuffer>;
  readonly scales: Float32Array<ArrayBuffer>;
  /** The kept columns, [rows, kept]. */
  readonly kept: Float32Array<ArrayBuffer>;
}

/** @param keptColumns places of the columns that stay float32 */
export function eightBitMatrix(
  matrix: Float32Array,
  rows: number,
  keptColumns: readonly number[],
  type: EightBits,
): EightBitMatrix {
  const columns = matrix.length / rows;
  const zero = zeroPointOf(type);
  const values = new Uint8Array(matrix.length).fill(zero);
  const scales = new Float32Array(rows);
  const kept = new Float32Array(rows * keptColumns.length);
  const isKept = new Uint8Array(columns);
  for (const column of keptColumns) isKept[column] = 1;
  for (let row = 0; row < rows; row++) {
    const own = matrix.subarray(row * columns, (row + 1) * columns);
    let most = 0;
    for (let column = 0; column < columns; column++) {
      if (isKept[column] === 0) most = Math.max(most, Math.abs(own[column] ?? 0));
    }
    const scale = most / 127;
    scales[row] = scale;
    keptColumns.forEach((column, i) => (kept[row * keptColumns.length + i] = own[column] ?? 0));
    if (scale === 0) continue;
    for (let column = 0; column < columns; column++) {
      // Stored modulo 256, which is two's complement.
      if (isKept[column] === 0) values[column * rows + row] = zero + Math.round((own[column] ?? 0) / scale);
    }
  }
  return { values, scales, kept };
}

/**
 * Query or key rows back in Hugging Face's order. Within each head llama.cpp's converter interleaves the two halves that
 * rotary embedding pairs (row 2i and 2i + 1 are i and i + half): even rows go to the first half, odd ones to the second.
 * @param values [heads · headDim, columns], or [heads · headDim] for a bias with `columns` 1
 */
export function undoRotaryInterleave(values: Float32Array, heads: number, columns: number): Float32Array<ArrayBuffer> {
  const headDim = values.length / columns / heads;
  const half = headDim / 2;
  const out = new Float32Array(values.length);
  for (let head = 0; head < heads; head++) {
    for (let row = 0; row < headDim; row++) {
      const target = head * headDim + (row % 2) * half + Math.floor(row / 2);
      const source = (head * headDim + row) * columns;
      out.set(values.subarray(source, source + columns), target * columns);
    }
  }
  return out;
}

/** A matrix [rows, columns] as [columns, rows]. */
export function transpose(values: Float32Array, rows: number, columns: number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) out[column * rows + row] = values[row * columns + column] ?? 0;
  }
  return out;
}

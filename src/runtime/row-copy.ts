import { bytesOf, tensorOverBytes } from "../tensor/bytes.ts";
import { bytesPerElement, elementCount, type Tensor } from "../tensor/tensor.ts";
import { KvDistillError } from "../util/errors.ts";
import type { RowPiece, TensorType } from "./messages.ts";
import { typeText } from "./type-text.ts";

const WHERE = "copyRows";

/**
 * Checks that pieces lie inside two arrays [sequences, heads, rows, width] that differ in sequences and rows alone.
 * @throws KvDistillError `shape-mismatch` for types and shapes, `bad-argument` for a piece
 */
export function checkRows(target: TensorType, source: TensorType, pieces: readonly RowPiece[]): void {
  const [sequences = 0, heads = 0, rows = 0, width = 0] = target.dims;
  const [sourceSequences = 0, sourceHeads, sourceRows = 0, sourceWidth] = source.dims;
  const alike = heads === sourceHeads && width === sourceWidth && source.dtype === target.dtype;
  if (!alike || target.dims.length !== 4 || source.dims.length !== 4) {
    throw new KvDistillError("shape-mismatch", "rows cannot be copied between these arrays", {
      where: WHERE,
      expected: `${target.dtype}[sequences, ${heads}, rows, ${width}]`,
      got: typeText(source),
    });
  }
  for (const piece of pieces) {
    const inside =
      Object.values(piece).every((value) => Number.isSafeInteger(value) && value >= 0) &&
      piece.to < sequences &&
      piece.from < sourceSequences &&
      piece.toRow + piece.rows <= rows &&
      piece.fromRow + piece.rows <= sourceRows;
    if (inside) continue;
    throw new KvDistillError("bad-argument", "rows outside an array", {
      where: WHERE,
      expected: `places in ${typeText(target)} and ${typeText(source)}`,
      got: JSON.stringify(piece),
    });
  }
}

/** Copies pieces, checked before by `checkRows`. */
export function copyRows(target: Tensor, source: Tensor, pieces: readonly RowPiece[]): void {
  const [, heads = 0, targetRows = 0, width = 0] = target.dims;
  const [, , sourceRows = 0] = source.dims;
  const rowBytes = width * bytesPerElement(target.dtype);
  const from = bytesOf(source);
  const into = bytesOf(target);
  for (const piece of pieces) {
    for (let head = 0; head < heads; head++) {
      const start = ((piece.from * heads + head) * sourceRows + piece.fromRow) * rowBytes;
      const end = ((piece.to * heads + head) * targetRows + piece.toRow) * rowBytes;
      into.set(from.subarray(start, start + piece.rows * rowBytes), end);
    }
  }
}

/**
 * Checks that rows are rows of an array [..., rows, width], numbered through all of it.
 * @throws KvDistillError `bad-argument`
 */
export function checkTaken(source: TensorType, rows: Int32Array): void {
  const count = elementCount(source.dims.slice(0, -1));
  const outside = rows.find((row) => row < 0 || row >= count);
  if (source.dims.length > 0 && outside === undefined) return;
  throw new KvDistillError("bad-argument", "no such row to download", {
    where: "download",
    expected: `rows of ${typeText(source)}`,
    got: String(outside),
  });
}

/** Copies of rows, checked before by `checkTaken`: [how many, width]. */
export function takeRows(source: Tensor, rows: Int32Array): Tensor {
  const width = source.dims.at(-1) ?? 0;
  const rowBytes = width * bytesPerElement(source.dtype);
  const from = bytesOf(source);
  const taken = new Uint8Array(rows.length * rowBytes);
  let at = 0;
  while (at < rows.length) {
    // Rows that follow each other are copied at once.
    const first = rows[at] ?? 0;
    let count = 1;
    while (rows[at + count] === first + count) count++;
    taken.set(from.subarray(first * rowBytes, (first + count) * rowBytes), at * rowBytes);
    at += count;
  }
  return tensorOverBytes(source.dtype, [rows.length, width], taken.buffer);
}

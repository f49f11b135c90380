import { bytesOf } from "../tensor/bytes.ts";
import { bytesPerElement, elementCount, type Tensor } from "../tensor/tensor.ts";
import { KvDistillError } from "../util/errors.ts";
import type { TensorType } from "./messages.ts";
import { typeText } from "./type-text.ts";

/**
 * Checks that `source` fits into `target[..., at : at + n, ...]` along `axis`, n = source.dims[axis].
 * @throws KvDistillError `bad-argument` for the axis or position, `shape-mismatch` for types and shapes.
 */
export function checkSlice(target: TensorType, axis: number, at: number, source: TensorType): void {
  const size = target.dims[axis];
  if (size === undefined) {
    throw new KvDistillError("bad-argument", "no such axis to write along", {
      where: "writeSlice",
      expected: `0 to ${target.dims.length - 1} for ${typeText(target)}`,
      got: axis.toString(),
    });
  }
  const fits =
    source.dtype === target.dtype &&
    source.dims.length === target.dims.length &&
    source.dims.every((dim, i) => i === axis || dim === target.dims[i]);
  if (!fits) {
    const rest = target.dims.map((dim, i) => (i === axis ? "n" : dim));
    throw new KvDistillError("shape-mismatch", "the slice does not fit the target", {
      where: "writeSlice",
      expected: typeText({ dtype: target.dtype, dims: rest }),
      got: typeText(source),
    });
  }
  const rows = source.dims[axis] ?? 0;
  if (!Number.isSafeInteger(at) || at < 0 || at + rows > size) {
    throw new KvDistillError("bad-argument", "the slice lies outside the target", {
      where: "writeSlice",
      expected: `a position from 0 to ${size - rows}: ${rows} of ${size} rows`,
      got: at.toString(),
    });
  }
}

/** target[..., at : at + n, ...] = source along `axis`, checked before by `checkSlice`. */
export function copySlice(target: Tensor, axis: number, at: number, source: Tensor): void {
  const rowBytes = elementCount(target.dims.slice(axis + 1)) * bytesPerElement(target.dtype);
  const sourceBytes = (source.dims[axis] ?? 0) * rowBytes;
  const targetBytes = (target.dims[axis] ?? 0) * rowBytes;
  const from = bytesOf(source);
  const into = bytesOf(target);
  const blocks = elementCount(target.dims.slice(0, axis));
  for (let block = 0; block < blocks; block++) {
    const start = block * sourceBytes;
    into.set(from.subarray(start, start + sourceBytes), block * targetBytes + at * rowBytes);
  }
}

import { elementCount } from "../../tensor/tensor.ts";
import { KvDistillError } from "../../util/errors.ts";

/** A value of the interpreter: float64 whatever the dtype; whole numbers and booleans (0, 1) are exact in it. */
export interface Array64 {
  readonly dims: readonly number[];
  readonly data: Float64Array;
}

/** @throws KvDistillError `shape-mismatch` when `data.length` is not the product of `dims`. */
export function array64(dims: readonly number[], data: ArrayLike<number>): Array64 {
  if (data.length !== elementCount(dims)) {
    throw new KvDistillError("shape-mismatch", "data does not fill the shape", {
      expected: `${elementCount(dims)} elements for [${dims.join(", ")}]`,
      got: data.length.toString(),
    });
  }
  return { dims, data: Float64Array.from(data) };
}

/** Visits every multi-index in row-major order. The array that `visit` gets is used again for the next one. */
export function forEachIndex(dims: readonly number[], visit: (index: readonly number[], i: number) => void): void {
  const count = elementCount(dims);
  const index = dims.map(() => 0);
  for (let i = 0; i < count; i++) {
    visit(index, i);
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      const next = (index[axis] ?? 0) + 1;
      index[axis] = next === dims[axis] ? 0 : next;
      if (next !== dims[axis]) break;
    }
  }
}

/** Builds an array from a function of the multi-index. */
export function generate(dims: readonly number[], valueAt: (index: readonly number[]) => number): Array64 {
  const data = new Float64Array(elementCount(dims));
  forEachIndex(dims, (index, i) => (data[i] = valueAt(index)));
  return { dims, data };
}

/** Row-major place of a multi-index. @throws KvDistillError `shape-mismatch` outside the array. */
export function offsetOf(dims: readonly number[], index: readonly number[]): number {
  let offset = 0;
  dims.forEach((dim, axis) => {
    const i = index[axis] ?? 0;
    if (!(i >= 0 && i < dim)) {
      throw new KvDistillError("shape-mismatch", "index outside the array", {
        got: `[${index.join(", ")}] in [${dims.join(", ")}]`,
      });
    }
    offset = offset * dim + i;
  });
  return offset;
}

/** The element at a multi-index. */
export function read(x: Array64, index: readonly number[]): number {
  return x.data[offsetOf(x.dims, index)] ?? NaN;
}

/** The element that a multi-index of a larger shape meets: axes of length 1 and missing leading axes broadcast. */
export function readBroadcast(x: Array64, index: readonly number[]): number {
  const lead = index.length - x.dims.length;
  return read(
    x,
    x.dims.map((dim, axis) => (dim === 1 ? 0 : (index[axis + lead] ?? 0))),
  );
}

import { elementCount } from "../../tensor/tensor.ts";
import { KvDistillError } from "../../util/errors.ts";

/** A value of the interpreter: float64 whatever the dtype; whole numbers and booleans (0, 1) are exact in it. */
export interface Array64 {
  readonly dims: readonly number[];
  readonly data: Float64Array;
}

export function array64(dims: readonly number[], data: ArrayLike<number>): Array64 {
  return { dims, data: Float64Array.from(data) };
}

/** Builds an array from a function of the multi-index. */
export function generate(dims: readonly number[], valueAt: (index: readonly number[]) => number): Array64 {
  const data = new Float64Array(elementCount(dims));
  const index = dims.map(() => 0);
  for (let i = 0; i < data.length; i++) {
    data[i] = valueAt(index);
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      const next = (index[axis] ?? 0) + 1;
      index[axis] = next === dims[axis] ? 0 : next;
      if (next !== dims[axis]) break;
    }
  }
  return { dims, data };
}

/** The element at a multi-index; axes of length 1 and missing leading axes broadcast. */
export function read(x: Array64, index: readonly number[]): number {
  const lead = index.length - x.dims.length;
  let offset = 0;
  x.dims.forEach((dim, axis) => {
    offset = offset * dim + (dim === 1 ? 0 : (index[axis + lead] ?? 0));
  });
  const value = x.data[offset];
  if (value === undefined) {
    throw new KvDistillError("shape-mismatch", "index outside the array", {
      got: `[${index.join(", ")}] in [${x.dims.join(", ")}]`,
    });
  }
  return value;
}

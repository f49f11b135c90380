/** `axis` counted from the first: a negative one counts from the end. */
export function positiveAxis(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

/** A shape with 1 at the reduced axes: a reduced value in this shape broadcasts against what was reduced. */
export function keptShape<D>(shape: readonly D[], axes: readonly number[]): (D | 1)[] {
  const reduced = new Set(axes.map((axis) => positiveAxis(axis, shape.length)));
  return shape.map((dim, i) => (reduced.has(i) ? 1 : dim));
}

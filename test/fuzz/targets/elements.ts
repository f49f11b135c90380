/** Elements of a shape, exactly. */
export function elementsOf(shape: readonly number[]): number {
  return Number(shape.reduce((product, dim) => product * BigInt(dim), 1n));
}

/**
 * Indices by weight, the largest first, of equal ones the lowest index first. Sorted only as far as they are taken: a draw from a vocabulary
 * needs a few of its tens of thousands.
 */
export function* likeliestFirst(weights: Float64Array): Generator<number, void, undefined> {
  // A heap: no parent stands behind its children.
  const heap = new Int32Array(weights.length);
  for (let i = 0; i < heap.length; i++) heap[i] = i;
  const at = (slot: number): number => heap[slot] ?? 0;
  const before = (a: number, b: number): boolean => {
    const difference = (weights[a] ?? 0) - (weights[b] ?? 0);
    return difference > 0 || (difference === 0 && a < b);
  };
  let size = heap.length;
  const sink = (start: number): void => {
    const own = at(start);
    let slot = start;
    for (let child = 2 * slot + 1; child < size; child = 2 * slot + 1) {
      if (child + 1 < size && before(at(child + 1), at(child))) child++;
      if (!before(at(child), own)) break;
      heap[slot] = at(child);
      slot = child;
    }
    heap[slot] = own;
  };
  for (let slot = (size >> 1) - 1; slot >= 0; slot--) sink(slot);
  while (size > 0) {
    yield at(0);
    heap[0] = at(--size);
    sink(0);
  }
}

// Two programs' answers to the same question, as numbers.
import { readFileSync } from "node:fs";

/** Rows of float32 numbers that a program wrote, `width` each. */
export function readRows(path, width) {
  const bytes = readFileSync(path);
  const all = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  if (all.length === 0 || all.length % width !== 0)
    throw new Error(`${path} holds ${all.length} numbers, not rows of ${width}`);
  return Array.from({ length: all.length / width }, (_, i) => all.subarray(i * width, (i + 1) * width));
}

/** Largest difference of two lists of numbers; NaN when one is none. */
export function largestDifference(a, b) {
  if (a.length !== b.length) throw new Error(`${a.length} numbers beside ${b.length}`);
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const apart = Math.abs(a[i] - b[i]);
    if (!(apart <= largest)) largest = apart;
  }
  return largest;
}

/** KL(ours ‖ theirs) in nats. */
export function divergence(ours, theirs) {
  let sum = 0;
  for (let i = 0; i < ours.length; i++) {
    const p = Math.exp(ours[i]);
    if (p > 0) sum += p * (ours[i] - theirs[i]);
  }
  return sum;
}

/** Whether the likeliest token is the same. */
export const sameTop = (ours, theirs) => indexOfLargest(ours) === indexOfLargest(theirs);

function indexOfLargest(row) {
  let best = 0;
  for (let i = 1; i < row.length; i++) if (row[i] > row[best]) best = i;
  return best;
}

/** How many leading ids are equal. */
export function equalIds(a, b) {
  const apart = a.findIndex((id, i) => id !== b[i]);
  return apart < 0 ? a.length : apart;
}

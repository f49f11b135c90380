/** xorshift32 from a fixed state: what is drawn depends on nothing but the order of the calls. */
let state = 2463534242;

/** A whole number from 0 to `bound`, which is not included. */
export function below(bound) {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % bound;
}

/** Shuffles in place. */
export function shuffle(items) {
  for (let i = items.length - 1; i > 0; i--) {
    const j = below(i + 1);
    [items[i], items[j]] = [items[j], items[i]];
  }
}

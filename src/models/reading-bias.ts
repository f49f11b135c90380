import { type Tensor, tensor } from "../tensor/tensor.ts";

/** Added to scores of pairs that must not attend: large enough to vanish in a softmax, small enough to stay finite in float32. */
export const MASKED = -1e30;

/** A sequence that is read on: rows of it that are in use, and how many of the new tokens are its own. */
export interface ReadingPlace {
  readonly used: number;
  readonly count: number;
}

/**
 * Bias for `tokens` new tokens of every sequence on a cache of `capacity` rows each, [sequences, 1, tokens, capacity + tokens]: every row in
 * use is seen, reserved rows are not, new tokens see themselves and those before. Those behind a sequence's own are padding: they see nothing,
 * and nothing sees them.
 */
export function readingBias(places: readonly ReadingPlace[], tokens: number, capacity: number): Tensor<"float32"> {
  const width = capacity + tokens;
  const bias = new Float32Array(places.length * tokens * width).fill(MASKED);
  places.forEach(({ used, count }, place) => {
    for (let i = 0; i < count; i++) {
      const start = (place * tokens + i) * width;
      bias.fill(0, start, start + used);
      bias.fill(0, start + capacity, start + capacity + i + 1);
    }
  });
  return tensor("float32", [places.length, 1, tokens, width], bias);
}

/** How far new tokens see, for fused attention: as `nn/attention.ts` has it. Padding sees what is before it, and is not kept. */
export function readingReach(
  places: readonly ReadingPlace[],
  tokens: number,
): { readonly last: Tensor<"int32">; readonly total: Tensor<"int32"> } {
  const last = Int32Array.from(places, ({ used }) => used + tokens - 1);
  return {
    last: tensor("int32", [places.length], last),
    total: tensor("int32", [1], Int32Array.of(Math.max(...last) + 1)),
  };
}

import { type Tensor, tensor } from "../tensor/tensor.ts";

/** Added to scores of pairs that must not attend: large enough to vanish in a softmax, small enough to stay finite in float32. */
export const MASKED = -1e30;

/**
 * Bias for `tokens` new tokens on a cache with `used` of `capacity` rows in use, [1, 1, tokens, capacity + tokens]: every row in use
 * is seen, reserved rows are not, new tokens see themselves and those before.
 */
export function readingBias(tokens: number, used: number, capacity: number): Tensor<"float32"> {
  const width = capacity + tokens;
  const bias = new Float32Array(tokens * width);
  for (let row = 0; row < tokens; row++) {
    bias.fill(MASKED, row * width + used, row * width + capacity);
    bias.fill(MASKED, row * width + capacity + row + 1, (row + 1) * width);
  }
  return tensor("float32", [1, 1, tokens, width], bias);
}

import { randomFromSeed } from "../../util/random.ts";
import { sharedMethod } from "./shared.ts";

/** Tokens drawn by lot. */
export const random = sharedMethod("random", ({ context, seed }) => {
  const lots = randomFromSeed(seed);
  return Float32Array.from(context.ids, () => lots.uniform());
});

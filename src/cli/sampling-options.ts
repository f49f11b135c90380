import type { Sampling } from "../generate/sample.ts";
import { type OptionValues, optionOr } from "./spec.ts";
import { decimal } from "./values/decimal.ts";
import { seed, wholeNumber } from "./values/whole-number.ts";

/** How an answer is drawn: `...samplingOptions` among a command's options. */
export const samplingOptions = {
  maxTokens: optionOr("-n, --max-tokens <n>", "longest answer, in tokens", wholeNumber(), 256),
  temperature: optionOr("--temperature <t>", "0 takes the likeliest token", decimal({ min: 0, max: 100 }), 0),
  topP: optionOr(
    "--top-p <p>",
    "draw from the likeliest tokens with this probability in all",
    decimal({ min: 0, max: 1, aboveMin: true }),
    1,
  ),
  seed: optionOr("--seed <n>", "of the random numbers", seed, 0),
} as const;

export function samplingOf({ temperature, topP }: OptionValues<typeof samplingOptions>): Sampling {
  return { temperature, topP };
}

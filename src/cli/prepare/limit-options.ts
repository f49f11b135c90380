import type { ExampleLimits } from "../../data/examples.ts";
import { type TrainConfig, TRAIN_CONFIG_FIELDS } from "../../train/config.ts";
import { exampleLimits } from "../../train/run-data.ts";
import { optionOr, type OptionSpec, type OptionValues } from "../spec.ts";
import { wholeNumber } from "../values/whole-number.ts";

type LimitSetting = keyof Parameters<typeof exampleLimits>[0];

/** A flag for each limit of examples, with the words and the default that training has for it. */
export const limitOptions: Readonly<Record<LimitSetting, OptionSpec<number>>> = {
  minContext: limitOption("minContext", "--min-context <n>"),
  maxContext: limitOption("maxContext", "--max-context <n>"),
  maxQuestion: limitOption("maxQuestion", "--max-question <n>"),
  maxAnswer: limitOption("maxAnswer", "--max-answer <n>"),
  questions: limitOption("questions", "--questions <n>"),
  reconstruction: limitOption("reconstruction", "--reconstruction <n>"),
};

function limitOption(name: keyof TrainConfig, flags: string): OptionSpec<number> {
  const field = TRAIN_CONFIG_FIELDS.find((own) => own.name === name);
  const least = name === "reconstruction" ? 0 : 1;
  return optionOr(flags, field?.description ?? name, wholeNumber({ min: least }), Number(field?.fallback));
}

export function limitsOf(options: OptionValues<typeof limitOptions>): ExampleLimits {
  return exampleLimits(options);
}

/** What is wrong with the limits taken together. */
export function limitFaults({ minContext, maxContext }: OptionValues<typeof limitOptions>): string[] {
  return minContext > maxContext ? [`--min-context: ${minContext} is above --max-context ${maxContext}`] : [];
}

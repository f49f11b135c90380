import { z } from "zod";
import { checked, type Outcome, recordSource } from "./record-source.ts";

const schema = z.object({ instruction: z.string(), input: z.string().nullish(), output: z.string() });

/** What stands in some published rows where there is no input. */
const NO_INPUT = /^\W*no\s?input\W*$/i;

/** Instructions with an input they are about. */
export const alpaca = recordSource(
  {
    name: "alpaca",
    description: "Stanford Alpaca's instructions, and files of the same form",
    split: "input is the context, instruction the question, output the answer; without input there is no context",
    format: "https://github.com/tatsu-lab/stanford_alpaca#data-release",
    licence: "CC BY-NC 4.0",
    hub: "tatsu-lab/alpaca",
  },
  function* (value) {
    yield instructionOutcome(value);
  },
);

/** A row of instruction, input and output. */
export function instructionOutcome(value: unknown): Outcome {
  const row = checked(schema, value);
  if ("fault" in row) return row;
  const { instruction, input, output } = row.value;
  return { context: givenInput(input ?? ""), question: instruction, answers: [output] };
}

/** An input, blank where the row says that it has none. */
export function givenInput(input: string): string {
  return NO_INPUT.test(input) ? "" : input;
}

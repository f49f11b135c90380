import { z } from "zod";
import { boundedList } from "../../util/bounded-list.ts";
import { isJsonObject } from "../../util/strict-json.ts";
import { instructionOutcome } from "./alpaca.ts";
import { checked, type Outcome, recordSource } from "./record-source.ts";

const taskSchema = z.object({
  id: z.string().optional(),
  instruction: z.string(),
  instances: boundedList(z.object({ input: z.string(), output: z.string() }), { least: 1 }),
});
const promptSchema = z.object({ prompt: z.string(), completion: z.string() });

/** Seed tasks, generated instances and the fine-tuning file of Self-Instruct, told apart by their fields. */
export const selfInstruct = recordSource(
  {
    name: "self-instruct",
    description: "Self-Instruct's seed tasks and generated instances",
    split: "an instance's input is the context, the task's instruction the question, the output the answer",
    format: "https://github.com/yizhongw/self-instruct",
    licence: "Apache-2.0",
  },
  function* (value) {
    if (isJsonObject(value) && "instances" in value) yield* seedTask(value);
    else if (isJsonObject(value) && "prompt" in value && !("instruction" in value)) yield fineTuningRow(value);
    else yield instructionOutcome(value);
  },
);

function* seedTask(value: unknown): Generator<Outcome> {
  const task = checked(taskSchema, value);
  if ("fault" in task) {
    yield task;
    return;
  }
  const { id, instruction, instances } = task.value;
  for (const [index, { input, output }] of instances.entries()) {
    const named = id === undefined ? {} : { id: `${id}-${index}` };
    yield { ...named, context: input, question: instruction, answers: [output] };
  }
}

/** Names the answer's place at the end of most prompts. */
const CUE = /(?:\s|^)Output:\s*$/;
const END = "<|endoftext|>";

/**
 * A prompt as `prepare_for_finetuning.py` writes it: the instruction, perhaps after "Task: ", the input, perhaps after
 * "Input: ", and perhaps "Output:". Without "Input:" the instruction ends at the first blank line, or else at the first line
 * break.
 */
function fineTuningRow(value: unknown): Outcome {
  const row = checked(promptSchema, value);
  if ("fault" in row) return row;
  const prompt = row.value.prompt
    .replace(/^Task: /, "")
    .replace(CUE, "")
    .trim();
  const { instruction, input } = splitPrompt(prompt);
  const answer = row.value.completion.trim();
  return {
    context: input,
    question: instruction,
    answers: [answer.endsWith(END) ? answer.slice(0, -END.length).trim() : answer],
  };
}

function splitPrompt(prompt: string): { readonly instruction: string; readonly input: string } {
  for (const mark of [/\n+Input:\s/, /\n\n/, /\n/]) {
    const found = mark.exec(prompt);
    if (found === null) continue;
    return { instruction: prompt.slice(0, found.index), input: prompt.slice(found.index + found[0].length).trim() };
  }
  return { instruction: prompt, input: "" };
}

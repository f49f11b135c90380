import { basename } from "node:path";
import { z } from "zod";
import { boundedList } from "../../util/bounded-list.ts";
import { isJsonObject } from "../../util/strict-json.ts";
import { checked, idField, type Outcome, recordSource } from "./record-source.ts";

const texts = z.union([z.string().transform((text) => [text]), boundedList(z.string())]);
const taskSchema = z.object({
  Definition: texts,
  "Instance License": texts.optional(),
  Instances: z.array(z.unknown()),
});
const instanceSchema = z.object({ id: idField.optional(), input: z.string(), output: texts });
/** One instance a row, as the hub's copy has them. */
const flatSchema = z.object({
  task_name: z.string().optional(),
  id: idField.optional(),
  definition: texts,
  inputs: z.string(),
  targets: texts,
});

/** Tasks with a definition and instances. */
export const superNaturalInstructions = recordSource(
  {
    name: "super-natural-instructions",
    description: "Super-NaturalInstructions' task files",
    split:
      "an instance's input is the context, the task's Definition the question, output the answers; examples are no rows",
    format: "https://github.com/allenai/natural-instructions#task-schema",
    licence: "Apache-2.0",
    hub: "Muennighoff/natural-instructions",
  },
  function* (value, { file }) {
    if (isJsonObject(value) && "definition" in value) yield flatRow(value);
    else yield* task(value, basename(file).replace(/\.json(?:\.gz)?$/i, ""));
  },
);

function flatRow(value: unknown): Outcome {
  const row = checked(flatSchema, value);
  if ("fault" in row) return row;
  const { task_name: name, id, definition, inputs, targets } = row.value;
  return {
    ...(id === undefined ? {} : { id }),
    ...(name === undefined ? {} : { source: sourceOf(name) }),
    context: inputs,
    question: definition.join("\n"),
    answers: targets,
  };
}

function* task(value: unknown, name: string): Generator<Outcome> {
  const checkedTask = checked(taskSchema, value);
  if ("fault" in checkedTask) {
    yield checkedTask;
    return;
  }
  const { Definition: definition, Instances: instances, "Instance License": licences } = checkedTask.value;
  const question = definition.join("\n");
  const licence = (licences ?? []).join(", ");
  for (const [index, each] of instances.entries()) {
    const row = index + 1;
    const instance = checked(instanceSchema, each, `Instances.${index}.`);
    if ("fault" in instance) {
      yield { ...instance, row };
      continue;
    }
    const { id, input, output } = instance.value;
    yield {
      id: id ?? `${name}-${index}`,
      source: sourceOf(name),
      ...(licence === "" ? {} : { licence }),
      context: input,
      question,
      answers: output,
      row,
    };
  }
}

function sourceOf(task: string): string {
  return `super-natural-instructions/${task}`;
}

import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { messageOf } from "../../../util/errors.ts";
import { pathExists } from "../../../util/path-exists.ts";
import { readTextFile } from "../../../util/read-text.ts";
import { isJsonObject } from "../../../util/strict-json.ts";
import { checked, type Outcome, rowsOf } from "../record-source.ts";
import { readRecords } from "../read/read-records.ts";
import type { Source } from "../source.ts";
import { parsePromptTemplates, type PromptTemplate } from "./prompt-templates.ts";
import { splitByFields, splitPrompt } from "./split-prompt.ts";

const TEMPLATES_FILE = "templates.yaml";
/** The longest published file of templates has some 100 kB. */
const LARGEST_TEMPLATES = 2 ** 21;

const publishedSchema = z.object({
  inputs_pretokenized: z.string(),
  targets_pretokenized: z.string(),
  /** For data sets whose choices are ranked there is a row for each choice; it says whether that is the right one. */
  is_correct: z.boolean().nullish(),
});
const promptSchema = z.object({ prompt: z.string(), completion: z.string() });
const END = /<\|endoftext\|>\s*$/;

const facts = {
  name: "p3",
  description: "P3: data sets put into words by promptsource's templates",
  split:
    "targets are the answer; with templates the longest field found in the prompt is the context, without them the longest " +
    "block of the prompt; the rest of the prompt is the question; fewer than 20 words are no context",
  format: "https://huggingface.co/datasets/bigscience/P3",
  licence: "Apache-2.0; texts: as the data sets they are from",
  hub: "bigscience/P3",
} satisfies Omit<Source, "read">;

/**
 * P3 as published (`inputs_pretokenized`, `targets_pretokenized`), prompts with completions, and, where promptsource's
 * `templates.yaml` lies in the folder of the data, any rows: each is put into words by each template.
 */
export const p3: Source = {
  ...facts,
  async *read(path, notes) {
    const templates = await templatesFor(path);
    const convert = (value: unknown) => outcomes(value, templates);
    for await (const record of readRecords(path, notes)) yield* rowsOf(facts, record, convert, notes);
  },
};

async function templatesFor(path: string): Promise<readonly PromptTemplate[]> {
  const folder = (await stat(path).catch(() => undefined))?.isDirectory() === true ? path : dirname(path);
  const file = join(folder, TEMPLATES_FILE);
  if (!(await pathExists(file))) return [];
  return parsePromptTemplates(await readTextFile(file, LARGEST_TEMPLATES), file);
}

function* outcomes(value: unknown, templates: readonly PromptTemplate[]): Generator<Outcome> {
  if (isJsonObject(value) && "inputs_pretokenized" in value) {
    const row = checked(publishedSchema, value);
    if ("fault" in row) yield row;
    else if (row.value.is_correct === false) yield { unused: "wrong-choice" };
    else yield written(row.value.inputs_pretokenized, row.value.targets_pretokenized);
  } else if (isJsonObject(value) && "prompt" in value && "completion" in value) {
    const row = checked(promptSchema, value);
    if ("fault" in row) yield row;
    else yield written(row.value.prompt, row.value.completion.replace(END, ""));
  } else if (!isJsonObject(value)) {
    yield { fault: "expected an object" };
  } else if (templates.length === 0) {
    yield { fault: `expected inputs_pretokenized and targets_pretokenized, or ${TEMPLATES_FILE} beside the file` };
  } else {
    for (const template of templates) yield* templated(value, template);
  }
}

function written(prompt: string, answer: string): Outcome {
  const parts = splitPrompt(prompt);
  return parts === undefined ? { unused: "no-context" } : { ...parts, answers: [answer.trim()] };
}

function* templated(fields: Record<string, unknown>, { name, apply }: PromptTemplate): Generator<Outcome> {
  let rendered: ReturnType<PromptTemplate["apply"]>;
  try {
    rendered = apply(fields);
  } catch (error) {
    yield { fault: `template ${name}: ${messageOf(error)}` };
    return;
  }
  if (rendered === undefined) {
    yield { unused: "no-prompt" };
    return;
  }
  const texts = Object.values(fields).filter((field) => typeof field === "string");
  const parts = splitByFields(rendered.prompt, texts);
  yield parts === undefined ? { unused: "no-context" } : { ...parts, answers: [rendered.answer] };
}

import { basename } from "node:path";
import { z } from "zod";
import { boundedList } from "../../util/bounded-list.ts";
import { isJsonObject } from "../../util/strict-json.ts";
import { rowFields, rowSchema } from "../read-rows.ts";
import { checked, type Outcome, recordSource } from "./record-source.ts";

// As published at rajpurkar.github.io/SQuAD-explorer; fields that are not needed are not looked at. Each level is checked when
// it is reached, so that a malformed question spoils no other.
const fileSchema = z.object({ version: z.string().default("1.1"), data: z.array(z.unknown()) });
const articleSchema = z.object({ paragraphs: z.array(z.unknown()) });
const paragraphSchema = z.object({ context: z.string().min(1), qas: z.array(z.unknown()) });
const answersSchema = boundedList(z.object({ text: z.string() }));
const questionSchema = z
  .object({
    id: z.string(),
    question: z.string().min(1),
    answers: answersSchema,
    is_impossible: z.boolean().default(false),
  })
  .refine(({ answers, is_impossible: impossible }) => impossible || answers.length > 0, {
    path: ["answers"],
    message: "expected at least one",
  });
/** One question a row, as the hub's copy has them. */
const flatSchema = z.object({
  id: z.string(),
  context: z.string(),
  question: z.string(),
  answers: z.object({ text: boundedList(z.string()) }),
});

/** Official files, the hub's rows, and rows of context, question and answers. */
export const squad = recordSource(
  {
    name: "squad",
    description: "SQuAD v1.1 and v2.0: questions about Wikipedia paragraphs",
    split: "a paragraph's context, question, and the texts of its answers; v2's unanswerable questions are no rows",
    format: "https://rajpurkar.github.io/SQuAD-explorer/",
    licence: "CC BY-SA 4.0",
    hub: "rajpurkar/squad",
  },
  function* (value, { file }) {
    if (isJsonObject(value) && "data" in value) yield* officialFile(value);
    else if (isJsonObject(value) && isJsonObject(value.answers)) yield flatRow(value);
    else {
      const row = checked(rowSchema, value);
      yield "fault" in row ? row : { source: basename(file), ...rowFields(row.value) };
    }
  },
);

function flatRow(value: unknown): Outcome {
  const row = checked(flatSchema, value);
  if ("fault" in row) return row;
  const { id, context, question, answers } = row.value;
  // The hub's copy of v2 has no other sign of a question without an answer.
  if (answers.text.length === 0) return { unused: "unanswerable" };
  return { id, context, question, answers: answers.text };
}

function* officialFile(value: unknown): Generator<Outcome> {
  const file = checked(fileSchema, value);
  if ("fault" in file) {
    // Named like a row, so that it counts as the fault of an official file.
    yield { ...file, row: 1 };
    return;
  }
  const source = `squad_v${file.value.version.replace(/^v/, "")}`;
  let row = 0;
  for (const [a, articleValue] of file.value.data.entries()) {
    const article = checked(articleSchema, articleValue, `data.${a}.`);
    if ("fault" in article) {
      yield { ...article, row: row + 1 };
      continue;
    }
    for (const [p, paragraphValue] of article.value.paragraphs.entries()) {
      const at = `data.${a}.paragraphs.${p}.`;
      const paragraph = checked(paragraphSchema, paragraphValue, at);
      if ("fault" in paragraph) {
        yield { ...paragraph, row: row + 1 };
        continue;
      }
      const { context, qas } = paragraph.value;
      for (const [q, questionValue] of qas.entries()) {
        row++;
        yield { ...questionOutcome(questionValue, context, source, `${at}qas.${q}.`), row };
      }
    }
  }
}

function questionOutcome(value: unknown, context: string, source: string, at: string): Outcome {
  const asked = checked(questionSchema, value, at);
  if ("fault" in asked) return asked;
  const { id, question, answers, is_impossible: impossible } = asked.value;
  if (impossible) return { unused: "unanswerable" };
  return { id, source, context, question, answers: answers.map(({ text }) => text) };
}

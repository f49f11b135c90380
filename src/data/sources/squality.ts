import { z } from "zod";
import { boundedList } from "../../util/bounded-list.ts";
import { isJsonObject } from "../../util/strict-json.ts";
import { plainText } from "./plain-text.ts";
import { checked, idField, type Outcome, recordSource } from "./record-source.ts";

const storySchema = z.object({
  metadata: z.object({ passage_id: idField }),
  document: z.string(),
  questions: z.array(z.unknown()),
});
const questionSchema = z.object({
  question_text: z.string(),
  question_number: z.number().int(),
  responses: boundedList(z.object({ response_text: z.string() })),
});
const groupedSchema = z.object({
  id: idField.optional(),
  source: z.string().optional(),
  context: z.string(),
  qas: z.array(z.unknown()),
});
const groupedQuestionSchema = z.object({ question: z.string(), answers: boundedList(z.string()) });

/** Questions about stories that are answered by summaries. */
export const squality = recordSource(
  {
    name: "squality",
    description: "SQuALITY v1 to v1.3: questions about short stories, answered at length by four people",
    split: "document is the context, question_text the question, each response_text an answer",
    format: "https://github.com/nyu-mll/SQuALITY#data-and-format",
    licence: "CC BY 4.0; stories: Project Gutenberg License",
  },
  function* (value) {
    if (isJsonObject(value) && "qas" in value) yield* grouped(value);
    else yield* story(value);
  },
);

function* story(value: unknown): Generator<Outcome> {
  const checkedStory = checked(storySchema, value);
  if ("fault" in checkedStory) {
    yield checkedStory;
    return;
  }
  const { metadata, document, questions } = checkedStory.value;
  const context = plainText(document);
  for (const [index, each] of questions.entries()) {
    const asked = checked(questionSchema, each, `questions.${index}.`);
    if ("fault" in asked) yield asked;
    else if (context === undefined) yield { unused: "html" };
    else {
      const { question_text: question, question_number: number, responses } = asked.value;
      const answers = responses.map(({ response_text: text }) => text);
      yield { id: `${metadata.passage_id}-${number}`, context, question, answers };
    }
  }
}

function* grouped(value: unknown): Generator<Outcome> {
  const set = checked(groupedSchema, value);
  if ("fault" in set) {
    yield set;
    return;
  }
  const { id, source, context, qas } = set.value;
  for (const [index, each] of qas.entries()) {
    const asked = checked(groupedQuestionSchema, each, `qas.${index}.`);
    if ("fault" in asked) yield asked;
    else {
      const named = id === undefined ? {} : { id: `${id}-${index + 1}` };
      yield { ...named, ...(source === undefined ? {} : { source }), context, ...asked.value };
    }
  }
}

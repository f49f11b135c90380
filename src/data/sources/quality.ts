import { z } from "zod";
import { boundedList } from "../../util/bounded-list.ts";
import { isJsonObject } from "../../util/strict-json.ts";
import { plainText } from "./plain-text.ts";
import { checked, idField, type Outcome, recordSource } from "./record-source.ts";

const questionFields = {
  question: z.string(),
  options: boundedList(z.string(), { least: 2 }),
  /** From 1. The official test files have none. */
  gold_label: z.number().int().nullish(),
};
const articleFields = { article_id: idField.optional(), license: z.string().nullish(), article: z.string() };
const officialSchema = z.object({
  ...articleFields,
  set_unique_id: z.string().optional(),
  questions: z.array(z.unknown()),
});
const officialQuestionSchema = z.object({
  ...questionFields,
  question_unique_id: z.string().optional(),
  difficult: z.union([z.literal(0), z.literal(1)]).nullish(),
});
const groupedSchema = z.object({ ...articleFields, source: z.string().optional(), qas: z.array(z.unknown()) });
const rowSchema = z.object({
  ...questionFields,
  id: idField.optional(),
  source: z.string().optional(),
  difficulty: z.union([z.literal(0), z.literal(1)]).nullish(),
});
const singleSchema = z.object(articleFields);

/** Multiple-choice questions about long stories and articles. */
export const quality = recordSource(
  {
    name: "quality",
    description: "QuALITY, html-stripped: multiple-choice questions about long texts",
    split:
      "article is the context, question the question, the option of gold_label the answer; difficult marks the hard subset",
    format: "https://github.com/nyu-mll/quality#data-readme",
    licence: "CC BY 4.0",
  },
  function* (value) {
    if (isJsonObject(value) && "questions" in value) yield* official(value);
    else if (isJsonObject(value) && "qas" in value) yield* grouped(value);
    else yield single(value);
  },
);

function* official(value: unknown): Generator<Outcome> {
  const set = checked(officialSchema, value);
  if ("fault" in set) {
    yield set;
    return;
  }
  const { article, license, questions, set_unique_id: setId } = set.value;
  for (const [index, each] of questions.entries()) {
    const asked = checked(officialQuestionSchema, each, `questions.${index}.`);
    if ("fault" in asked) yield asked;
    else {
      const { question_unique_id: ownId, difficult: hard, ...rest } = asked.value;
      const id = ownId ?? (setId === undefined ? undefined : `${setId}-${index}`);
      yield choice({ ...rest, id, hard, article, license });
    }
  }
}

function* grouped(value: unknown): Generator<Outcome> {
  const set = checked(groupedSchema, value);
  if ("fault" in set) {
    yield set;
    return;
  }
  const { article, license, qas, source: setSource } = set.value;
  for (const [index, each] of qas.entries()) {
    const asked = checked(rowSchema, each, `qas.${index}.`);
    if ("fault" in asked) yield asked;
    else yield choice({ source: setSource, ...asked.value, hard: asked.value.difficulty, article, license });
  }
}

function single(value: unknown): Outcome {
  const article = checked(singleSchema, value);
  if ("fault" in article) return article;
  const asked = checked(rowSchema, value);
  return "fault" in asked ? asked : choice({ ...asked.value, hard: asked.value.difficulty, ...article.value });
}

interface Choice {
  readonly article: string;
  /** Of the article, as its publisher states it. */
  readonly license?: string | null | undefined;
  readonly id?: string | undefined;
  readonly source?: string | undefined;
  readonly question: string;
  readonly options: readonly string[];
  readonly gold_label?: number | null | undefined;
  readonly hard?: 0 | 1 | null | undefined;
}

function choice({ article, license, id, source, question, options, gold_label: gold, hard }: Choice): Outcome {
  const context = plainText(article);
  if (context === undefined) return { unused: "html" };
  if (gold == null) return { unused: "no-label" };
  const answer = options[gold - 1];
  if (answer === undefined) return { fault: `gold_label: expected 1 … ${options.length}, got ${gold}` };
  return {
    ...(id === undefined ? {} : { id }),
    ...(source === undefined ? {} : { source }),
    ...(license == null ? {} : { licence: license }),
    context,
    question,
    answers: [answer],
    options,
    label: gold - 1,
    ...(hard == null ? {} : { hard: hard === 1 }),
  };
}

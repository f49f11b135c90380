import { z } from "zod";
import { selfAnswers } from "../../data/self-answers.ts";
import { passagePromptOf } from "../../models/load-model.ts";
import { QUESTION_STYLES, type QuestionStyle } from "../../models/passage-prompt.ts";
import { boundedList } from "../../util/bounded-list.ts";
import { getJson, putJson } from "../store/checked-file.ts";
import { storedFileSchema } from "../store/key.ts";
import type { JobKind } from "./kind.ts";
import { checked } from "./payload.ts";

/** Passages in the store, with the questions that are to be answered. */
export const sentPassagesSchema = boundedList(
  z.strictObject({
    id: z.string(),
    context: z.string(),
    questions: boundedList(z.strictObject({ id: z.string(), question: z.string() }), { least: 1 }),
  }),
);

const workSchema = z.strictObject({
  style: z.enum(Object.keys(QUESTION_STYLES) as [QuestionStyle]),
  maxTokens: z.int().min(1),
  /** JSON: `sentPassagesSchema`. */
  passages: storedFileSchema,
});
export type AnswersWork = Readonly<z.infer<typeof workSchema>>;

/** The model's answers, by the questions' ids. */
export const answeredPassagesSchema = boundedList(
  z.strictObject({
    id: z.string(),
    answers: boundedList(z.strictObject({ id: z.string(), text: z.string(), finish: z.enum(["stop", "length"]) })),
  }),
);

const resultSchema = z.strictObject({
  /** JSON: `answeredPassagesSchema`. */
  answers: storedFileSchema,
});

export const ANSWERS_JOB: JobKind<AnswersWork, z.infer<typeof resultSchema>> = {
  name: "answers",
  work: workSchema,
  result: resultSchema,
  run: async ({ style, maxTokens, passages: file }, { model, store, folder, signal }) => {
    const passages = checked(sentPassagesSchema, await getJson(store, file), file.key);
    const prompt = passagePromptOf(model.files, style);
    const done: z.infer<typeof answeredPassagesSchema> = [];
    for (const { id, context, questions } of passages) {
      const asked = { context, questions: questions.map(({ question }) => question) };
      const answers = await selfAnswers(model, prompt, asked, { maxTokens, signal });
      done.push({
        id,
        answers: questions.map((question, i) => {
          const { text = "", finish = "stop" } = answers[i] ?? {};
          return { id: question.id, text, finish };
        }),
      });
    }
    return { answers: await putJson(store, `${folder}/results`, done) };
  },
};

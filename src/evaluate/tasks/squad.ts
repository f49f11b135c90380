import type { Question } from "../../data/passage.ts";
import { scoredSquad } from "../../data/sources/scored-squad.ts";
import { QUESTION_STYLES } from "../../models/passage-prompt.ts";
import { scoreAnswer } from "../metrics/squad.ts";
import type { PromptStyle, Task, TaskQuestion } from "./task.ts";

/**
 * Answers are asked to be short phrases: 32 tokens hold nearly all of them, and an answer that rambles on gains containment by chance. The
 * paper generates up to 128.
 */
const MAX_NEW_TOKENS = 32;

/** SQuAD v1.1, and anything written like it: a short answer that stands in the text. */
export function squadTask(path: string): Task {
  return {
    name: "squad",
    settings: {},
    files: [path],
    style: SHORT_ANSWER,
    metrics: ["goldInAnswer", "em", "f1", "answerInGold"],
    maxNewTokens: MAX_NEW_TOKENS,
    async *passages({ notes }) {
      for await (const passage of scoredSquad(path, notes.onFault)) {
        yield { ...passage, questions: passage.questions.map(shortAnswer) };
      }
    },
  };
}

/** The prompt that the package's adapters are trained with. */
export const SHORT_ANSWER: PromptStyle = { name: "short-answer", ask: QUESTION_STYLES["short-answer"], chat: true };

/** A question whose answer is scored by the rules of SQuAD. */
export function shortAnswer(question: Question): TaskQuestion {
  return { ...question, score: ({ answer }) => scoreAnswer(answer, question.answers) };
}

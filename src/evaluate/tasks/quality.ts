import type { Question } from "../../data/passage.ts";
import { quality } from "../../data/sources/quality.ts";
import { passagesOf } from "./passages-of.ts";
import type { PromptStyle, Task, TaskQuestion } from "./task.ts";

const LETTERS = ["A", "B", "C", "D", "E", "F", "G", "H"];

const STYLE: PromptStyle = {
  name: "letter",
  ask: (question) => `\n\nQuestion: ${question}\n\nAnswer with the letter of the right option alone.`,
  chat: true,
};

/** Enough for a letter and what models put around it: "The answer is B." */
const MAX_NEW_TOKENS = 8;

/**
 * QuALITY (Pang et al. 2022, arXiv 2112.08608, https://github.com/nyu-mll/quality): multiple choice about texts of a few thousand words.
 * Scored twice: by the likeliest of the options' letters, and by the letter that is written. Chance is one in as many as there are
 * options, which a question's facts tell, beside whether it belongs to the hard subset where the file says so.
 */
export function qualityTask(paths: readonly string[]): Task {
  return {
    name: "quality",
    settings: {},
    files: paths,
    style: STYLE,
    metrics: ["accuracy", "writtenAccuracy"],
    maxNewTokens: MAX_NEW_TOKENS,
    async *passages({ notes }) {
      for await (const passage of passagesOf(quality, paths, notes)) {
        yield { ...passage, questions: passage.questions.map(multipleChoice) };
      }
    },
  };
}

function multipleChoice(given: Question): TaskQuestion {
  const { question, options = [], label = 0, hard } = given;
  const letters = LETTERS.slice(0, options.length);
  const right = letters[label] ?? "";
  return {
    ...given,
    question: [question.trim(), ...options.map((option, i) => `${letters[i] ?? ""}. ${option.trim()}`)].join("\n"),
    answers: [right],
    letters,
    facts: { options: options.length, ...(hard === undefined ? {} : { hard }) },
    score: ({ answer, choice }) => ({
      accuracy: choice === label ? 1 : 0,
      writtenAccuracy: writtenLetter(answer, letters) === right ? 1 : 0,
    }),
  };
}

/** The first of the letters that stands for itself in an answer; undefined when there is none. */
export function writtenLetter(answer: string, letters: readonly string[]): string | undefined {
  return (answer.match(/(?<![\p{L}\p{N}])\p{Lu}(?![\p{L}\p{N}])/gu) ?? []).find((letter) => letters.includes(letter));
}

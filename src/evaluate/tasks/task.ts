import type { Passage, Question } from "../../data/passage.ts";
import type { SourceNotes } from "../../data/sources/source.ts";
import type { MetricName, Scores } from "../metrics/names.ts";

/** How questions are put to the model. */
export interface PromptStyle {
  /** For the record: another text is another name. */
  readonly name: string;
  /** What follows the document in the user's message. */
  readonly ask: (question: string) => string;
  /** In the model's chat template; false for a text that goes on as it stands (few-shot examples, code). */
  readonly chat: boolean;
}

/** What a question belongs to in tables: `{ length: 512, depth: 0.5 }`. Results are also reported for each distinct set of facts. */
export type Facts = Readonly<Record<string, string | number | boolean>>;

/** What a cache made of a question. */
export interface Outcome {
  /** What was generated, without white space around it. */
  readonly answer: string;
  /** The same with it. */
  readonly written: string;
  /** The likeliest of the question's `letters`, from 0; undefined where it has none. */
  readonly choice: number | undefined;
}

/** A question that knows how its answers are scored. The first of `answers` is what predictions are compared at. */
export interface TaskQuestion extends Question {
  /** Text that every answer begins with: it is given, and not a part of the answer. */
  readonly answerPrefix?: string;
  /** Multiple choice: what may be answered, one token each. */
  readonly letters?: readonly string[];
  readonly facts?: Facts;
  /** All of the task's measures. */
  score(outcome: Outcome): Scores;
}

export interface TaskPassage extends Passage {
  readonly questions: readonly TaskQuestion[];
  /** Default: the task's. */
  readonly style?: PromptStyle;
  /** Tokens of an answer at most, where a run does not say and the task leaves it to its passages. */
  readonly maxNewTokens?: number;
}

/** What a task needs of the run to make its passages. */
export interface TaskSurroundings {
  /** Tokens that the model reads, by default in the task's style: a context with the template's header, and what is asked of it. */
  readonly countPrompt: (
    prompt: { readonly context: string; readonly question?: string; readonly answerPrefix?: string },
    style?: PromptStyle,
  ) => number;
  readonly seed: number;
  readonly notes: SourceNotes;
  readonly onNote: (line: string) => void;
}

/** Something to measure: passages with questions and their scores. All else is the same for all tasks. */
export interface Task {
  readonly name: string;
  /** All that decides the questions beside the files and the seed, by name, for the record. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly files: readonly string[];
  readonly style: PromptStyle;
  /** The first is the headline; without any it is the divergence from the full cache. */
  readonly metrics: readonly MetricName[];
  /** Tokens of an answer at most, where a run does not say; 0: nothing is generated, ever; null: each passage says. */
  readonly maxNewTokens: number | null;
  passages(surroundings: TaskSurroundings): AsyncIterable<TaskPassage>;
}

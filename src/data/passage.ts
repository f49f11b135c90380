import type { QuestionStyle } from "../models/passage-prompt.ts";

/** One question about a passage. */
export interface Question {
  readonly id: string;
  readonly question: string;
  /** At least one. Training learns the first; evaluation accepts any. */
  readonly answers: readonly string[];
  /** The first answer was cut by a limit, so that no end of it is learned. */
  readonly answerCut?: boolean;
  /** How the question is put to the model; as the run says when absent. */
  readonly style?: QuestionStyle;
  /** Choices of a multiple-choice question, at least two; `answers` holds the right one. */
  readonly options?: readonly string[];
  /** Which option is right, from 0. */
  readonly label?: number;
  /** Whether the data set counts the question as hard; absent where it does not say. */
  readonly hard?: boolean;
  /** Where it was read from. */
  readonly place?: Place;
}

/** A text and all the questions that are asked of it: it is encoded once and read by each of them. */
export interface Passage {
  /** Of the first row that had this context. */
  readonly id: string;
  /** The data set that the passage is from. */
  readonly source: string;
  /** Of the first row that had this context, where the rows tell. */
  readonly licence?: string;
  readonly context: string;
  /** At least one. */
  readonly questions: readonly Question[];
}

/** One row of a data file: a question with its own copy of the context. */
export interface QuestionRow extends Question {
  readonly source: string;
  readonly licence?: string;
  readonly context: string;
}

/** Where something stands in a data file. */
export interface Place {
  /** A path; a file inside an archive comes after the archive's own, as in `tasks.zip/task1.json`. */
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  /** What `line` counts: lines when absent, rows where a format has none (parquet, a JSON array). */
  readonly unit?: "row";
}

/** A row that could not be used, named so that a person can find it. */
export interface RowFault extends Place {
  readonly fault: string;
}

/** A place for people: `file:3` for a line, `file, row 3` for a row. */
export function placeText({ file, line, unit }: Place): string {
  return unit === undefined ? `${file}:${line}` : `${file}, ${unit} ${line}`;
}

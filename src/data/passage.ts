/** One question about a passage. */
export interface Question {
  readonly id: string;
  readonly question: string;
  /** At least one. Training learns the first; evaluation accepts any. */
  readonly answers: readonly string[];
  /** The first answer was cut by a limit, so that no end of it is learned. */
  readonly answerCut?: boolean;
}

/** A text and all the questions that are asked of it: it is encoded once and read by each of them. */
export interface Passage {
  /** Of the first row that had this context. */
  readonly id: string;
  /** The data set that the passage is from. */
  readonly source: string;
  readonly context: string;
  /** At least one. */
  readonly questions: readonly Question[];
}

/** One row of a data file: a question with its own copy of the context. */
export interface QuestionRow extends Question {
  readonly source: string;
  readonly context: string;
}

/** A row that could not be used, named so that a person can find it. */
export interface RowFault {
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  readonly fault: string;
}

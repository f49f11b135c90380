import type { Place, QuestionRow, RowFault } from "../passage.ts";
import type { ParquetPatience } from "./read/parquet-rows.ts";

/** A public data set, or a way of writing one down, that yields (context, question, answer) rows. */
export interface Source {
  /** As typed on the command line. */
  readonly name: string;
  /** The data set in one line. */
  readonly description: string;
  /** Which part of a row becomes the context, which the question, which the answer. */
  readonly split: string;
  /** Where its publisher describes or ships the format. */
  readonly format: string;
  /** As its publisher states it; a row's own licence goes before. */
  readonly licence: string;
  /** The repository on the hub that holds the published files, where there is one. */
  readonly hub?: string;
  /**
   * The rows of a file, or of all data files of a folder in the order of their names: plain, gzip, zip or parquet, told by
   * their first bytes. What cannot be used goes to `notes`, and reading goes on with the next row or file.
   * @throws KvDistillError `not-found` or `disk` when a file cannot be read at all.
   */
  read(path: string, notes: SourceNotes): AsyncGenerator<SourceRow>;
}

/** A question with its context, and where it is from. */
export interface SourceRow extends QuestionRow {
  readonly licence: string;
  readonly place: Place;
}

/** Where a source tells what it left out; a `DataReport` is one. */
export interface SourceNotes {
  /** A row that is malformed. */
  readonly onFault: (fault: RowFault) => void;
  /** A row that is well formed and of no use here. */
  readonly onUnused: (unused: UnusedRow) => void;
  /** A file that is damaged, ends early or is none of the source's: what comes after the place in it is not read. */
  readonly onDamaged: (fault: RowFault) => void;
  /** How long a part of a parquet file may take; its reader knows when it is absent. */
  readonly parquetPatience?: ParquetPatience | undefined;
}

export interface UnusedRow extends Place {
  readonly reason: UnusedReason;
}

/** Why a well-formed row is of no use, with the words for it. */
export const UNUSED_REASONS = {
  "no-context": "rows left out, having no text to compress",
  "no-question": "rows left out, having no question about their text",
  "no-prompt": "templates that give a row nothing",
  "no-answer": "rows left out, having no answer",
  unanswerable: "questions left out, being unanswerable by design",
  html: "questions left out, their text being HTML: the same comes stripped of it",
  "wrong-choice": "rows left out, what they answer being a choice that is not the right one",
  "no-label": "questions left out, their right option being secret",
} as const;

export type UnusedReason = keyof typeof UNUSED_REASONS;

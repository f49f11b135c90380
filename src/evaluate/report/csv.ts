import type { SampleRow } from "../run/sample-row.ts";

/** What the rows do not say of a question. */
export interface QuestionText {
  readonly question: string;
  readonly golds: readonly string[];
}

// The first seven are the columns of kvpress's predictions.csv (evaluation/evaluate.py), so that its notebooks read the file.
const COLUMNS = [
  "task",
  "question",
  "answer_prefix",
  "answer",
  "max_new_tokens",
  "predicted_answer",
  "compression_ratio",
  "press_name",
  "id",
  "gold_in_answer",
  "em",
  "f1",
  "forward_kl",
] as const;

/**
 * The rows as kvpress writes predictions, all methods in one file with their names as `press_name`. As there, `compression_ratio` is the
 * part *removed*. RFC 4180; gold answers as one JSON list.
 * @param questions by sample
 */
export function predictionsCsv(
  rows: readonly SampleRow[],
  questions: ReadonlyMap<number, QuestionText>,
  maxNewTokens: number,
): string {
  const lines = rows.map((row) => {
    const { question = "", golds = [] } = questions.get(row.sample) ?? {};
    const cells: Record<(typeof COLUMNS)[number], string> = {
      task: "squad",
      question,
      answer_prefix: "",
      answer: JSON.stringify(golds),
      max_new_tokens: String(maxNewTokens),
      predicted_answer: row.answer,
      compression_ratio: removedPart(row),
      press_name: row.method,
      id: row.id,
      gold_in_answer: String(row.goldInAnswer),
      em: String(row.em),
      f1: String(row.f1),
      forward_kl: row.forwardKl === null ? "" : String(row.forwardKl),
    };
    return COLUMNS.map((column) => cell(cells[column])).join(",");
  });
  return [COLUMNS.join(","), ...lines].map((line) => `${line}\r\n`).join("");
}

function removedPart({ keep, rows, contextTokens }: SampleRow): string {
  if (keep === null && rows === null) return "";
  // As written on the command line: 1 - 0.9 is not 0.1 in float64.
  return String(Number((1 - (keep ?? (rows ?? 0) / contextTokens)).toPrecision(12)));
}

function cell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

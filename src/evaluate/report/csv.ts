import type { MetricName } from "../metrics/names.ts";
import type { SampleRow } from "../run/sample-row.ts";

/** What the rows do not say of a question. */
export interface QuestionText {
  readonly question: string;
  readonly golds: readonly string[];
  readonly answerPrefix: string;
  /** Of its answer. */
  readonly maxNewTokens: number;
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
] as const;

/**
 * The rows as kvpress writes predictions, all methods in one file with their names as `press_name`, and the task's measures. As there,
 * `compression_ratio` is the part *removed*. RFC 4180; gold answers as one JSON list.
 * @param questions by sample
 */
export function predictionsCsv(
  rows: readonly SampleRow[],
  questions: ReadonlyMap<number, QuestionText>,
  task: string,
  metrics: readonly MetricName[],
): string {
  const lines = rows.map((row) => {
    const { question = "", golds = [], answerPrefix = "", maxNewTokens = 0 } = questions.get(row.sample) ?? {};
    const cells: Record<(typeof COLUMNS)[number], string> = {
      task,
      question,
      answer_prefix: answerPrefix,
      answer: JSON.stringify(golds),
      max_new_tokens: String(maxNewTokens),
      predicted_answer: row.answer,
      compression_ratio: removedPart(row),
      press_name: row.method,
      id: row.id,
    };
    const measures = [...metrics.map((name) => row[name]), row.forwardKl ?? undefined];
    return [...COLUMNS.map((column) => cells[column]), ...measures.map((value) => value?.toString() ?? "")];
  });
  const head = [...COLUMNS, ...metrics.map(snakeCase), "forward_kl"];
  return [head, ...lines].map((cells) => `${cells.map(cell).join(",")}\r\n`).join("");
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function removedPart({ keep, rows, contextTokens }: SampleRow): string {
  if (keep === null && rows === null) return "";
  // As written on the command line: 1 - 0.9 is not 0.1 in float64.
  return String(Number((1 - (keep ?? (rows ?? 0) / contextTokens)).toPrecision(12)));
}

function cell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * Every measure of an answer that a task may have, with its name for people. Its key is the field that holds it: 0 … 1 for one answer
 * (samples.jsonl), per cent over many (result.json). More is better.
 */
export const METRICS = {
  goldInAnswer: "gold in answer",
  em: "EM",
  f1: "F1",
  answerInGold: "answer in gold",
  /** Multiple choice, the likeliest letter. */
  accuracy: "accuracy",
  /** Multiple choice, the letter that was written. */
  writtenAccuracy: "written accuracy",
  /** RULER: the share of the strings that were asked for. */
  stringMatch: "string match",
  /** LongBench: each data set's own measure. */
  score: "score",
  rougeL: "Rouge-L",
} as const;

export type MetricName = keyof typeof METRICS;
export const METRIC_NAMES = Object.keys(METRICS) as readonly MetricName[];

/** Measures of one answer, 0 … 1. */
export type Scores = Readonly<Partial<Record<MetricName, number>>>;

import type { Finish } from "../../generate/decode.ts";
import { formatBytes, formatCount, formatDuration, formatRate } from "../../util/format.ts";
import { printable } from "../../util/printable.ts";
import type { AnswerSpeed } from "../answer-meter.ts";

/** A cache that answers. */
export interface ReaderFacts {
  readonly name: string;
  /** Rows of every layer and head. */
  readonly tokens: number;
  /** Of keys and values where the model runs, as float32. */
  readonly memoryBytes: number;
  /** Seconds until it could be asked: reading the text for the full cache, loading the file for a compressed one. */
  readonly secondsToOpen: number;
}

/** An answer and how it came. */
export interface AnswerFacts {
  readonly text: string;
  readonly finish: Finish;
  readonly speed: AnswerSpeed;
  readonly reader: ReaderFacts;
}

/** Answers side by side: what is told, then a column for each. */
export function comparisonRows(answers: readonly AnswerFacts[]): (readonly string[])[] {
  const row = (name: string, of: (answer: AnswerFacts) => string): string[] => [name, ...answers.map(of)];
  const orNone = (value: number | null, format: (value: number) => string): string =>
    value === null ? "–" : format(value);
  return [
    row("answer", ({ text }) => printable(text.trim())),
    row("tokens held", ({ reader }) => formatCount(reader.tokens)),
    row("keys and values in memory", ({ reader }) => formatBytes(reader.memoryBytes)),
    row("ready to be asked after", ({ reader }) => formatDuration(reader.secondsToOpen)),
    row("first token after", ({ speed }) => orNone(speed.secondsToFirst, formatDuration)),
    row("speed", ({ speed }) => orNone(speed.tokensPerSecond, (rate) => formatRate(rate, "tokens"))),
  ];
}

import { KvDistillError } from "../../util/errors.ts";
import { quote } from "../../util/quote.ts";
import type { Parser } from "../spec.ts";

/** Places from 0; `end` is not among them. */
export interface SampleRange {
  readonly start: number;
  readonly end: number;
}

/** Which of many: `40` for the first forty, `41-80` for those, counted from 1. */
export const sampleRange: Parser<SampleRange> = (text) => {
  const [, first, last] = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(text) ?? [];
  const range = last === undefined ? { start: 0, end: Number(first) } : { start: Number(first) - 1, end: Number(last) };
  if (first !== undefined && range.start >= 0 && range.end > range.start) return range;
  throw new KvDistillError("bad-argument", "not a choice of questions", {
    expected: "a number, such as 40 for the first forty, or a range, such as 41-80",
    got: quote(text),
  });
};

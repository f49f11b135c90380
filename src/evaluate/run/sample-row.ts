import { z } from "zod";
import { METRIC_NAMES, type MetricName } from "../metrics/names.ts";
import { type Condition, conditionName } from "./conditions.ts";

const share = z.number().min(0).max(1);
const flag = z.union([z.literal(0), z.literal(1)]);
const metrics = Object.fromEntries(METRIC_NAMES.map((name) => [name, share.optional()])) as Record<
  MetricName,
  z.ZodOptional<typeof share>
>;

/** Fields in the order of a line: a row that has come from another machine is written as it was made here. */
export const sampleRowSchema = z.strictObject({
  /** Place of the question in the run, from 0. */
  sample: z.int().min(0),
  /** Place of the passage in the run, from 0. */
  passage: z.int().min(0),
  id: z.string(),
  method: z.string(),
  /** Fraction asked for; null for methods without a budget. */
  keep: share.nullable(),
  /** Tokens of the context, template header included. */
  contextTokens: z.int().min(1),
  /** What the question belongs to in tables. */
  facts: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
  /** Rows of the cache that was read, mean over layers and heads; null when it failed before. */
  rows: z.number().min(1).nullable(),
  /** What was generated; empty where it failed. */
  answer: z.string(),
  newTokens: z.int().min(0),
  /** `none`: the task generates nothing. */
  finish: z.enum(["stop", "length", "failure", "none"]),
  /** The likeliest letter, from 0, of a multiple-choice question. */
  choice: z.int().min(0).optional(),
  // The task's measures, and no others.
  ...metrics,
  /** Nothing is left of the answer once it is normalised; absent where nothing is generated. */
  empty: flag.optional(),
  /** At the first gold answer, or as much of it as is compared; all null where it failed or the full cache could not be read. See `Divergence`. */
  forwardKl: z.number().nullable(),
  top1: share.nullable(),
  answerNll: z.number().nullable(),
  /** Tokens that were compared: of the first gold answer, the one that ends it included where it was not cut. */
  answerTokens: z.int().min(1),
  /** This question's share of compressing and reading. The one result that differs from run to run. */
  seconds: z.number().min(0),
  failure: z.strictObject({ code: z.string(), message: z.string() }).optional(),
});

/** What one condition made of one question: a line of samples.jsonl (docs/formats/evaluation.md). */
export type SampleRow = Readonly<z.infer<typeof sampleRowSchema>>;

/** One row for each of these. */
export function rowKey(sample: number, condition: Condition): string {
  return `${sample} ${conditionName(condition)}`;
}

/** Why a question counts as failed: it could not be asked, or nothing was said. */
export function failureOf({ failure, empty }: SampleRow): SampleRow["failure"] {
  return (
    failure ?? (empty === 1 ? { code: "empty-answer", message: "the answer has no letter and no digit" } : undefined)
  );
}

export function conditionOf({ method, keep }: SampleRow): Condition {
  return { method, keep: keep ?? undefined };
}

import { z } from "zod";
import { boundedList } from "../../util/bounded-list.ts";
import { KvDistillError } from "../../util/errors.ts";
import { faultList } from "../../util/fault-list.ts";
import { parseStrictJson } from "../../util/strict-json.ts";
import { METRIC_NAMES, type MetricName } from "../metrics/names.ts";
import type { Summary } from "../run/summary.ts";

const interval = z.object({ mean: z.number(), low: z.number(), high: z.number() });
const condition = { method: z.string(), keep: z.number().min(0).max(1) };
const ofEach = <T extends z.ZodType>(value: T): Record<MetricName, z.ZodOptional<T>> =>
  Object.fromEntries(METRIC_NAMES.map((name) => [name, value.optional()])) as Record<MetricName, z.ZodOptional<T>>;
const intervals = { ...ofEach(interval), forwardKl: interval.nullable() };
const facts = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));
const means = {
  ...ofEach(z.number()),
  n: z.int(),
  failures: z.int(),
  forwardKl: z.number().nullable(),
  klN: z.int(),
  top1Agreement: z.number().nullable(),
  answerPerplexity: z.number().nullable(),
};

const codeVersion = z.object({ version: z.string(), commit: z.string().nullable(), modified: z.boolean() });

const reused = z.object({ folder: z.string(), code: codeVersion.optional(), rows: z.int() });

const resultSchema = z.object({
  format: z.literal("kv-distill evaluation"),
  version: z.literal(1),
  command: z.string().nullable(),
  // The first runs took rows from one other at most.
  reused: z.union([reused.transform((one) => [one]), boundedList(reused)]).optional(),
  code: codeVersion,
  machine: z.record(z.string(), z.union([z.string(), z.number()])),
  identityHash: z.string(),
  /** For show and comparison: what its fields mean is for the run to know. */
  identity: z.looseObject({ task: z.string(), config: z.record(z.string(), z.unknown()) }),
  model: z.string(),
  data: z.object({ path: z.string(), malformedRows: z.int() }),
  finishedAt: z.string(),
  seconds: z.object({ process: z.number(), rows: z.number() }),
  // The first runs knew SQuAD's measures alone and did not name them.
  metrics: boundedList(z.enum(METRIC_NAMES as [MetricName, ...MetricName[]])).default([
    "goldInAnswer",
    "em",
    "f1",
    "answerInGold",
  ]),
  results: boundedList(
    z.object({
      ...condition,
      ...means,
      obtainedKeep: z.number(),
      questionAware: z.literal(true).optional(),
      // Earlier runs have `masked: true` here, which is passed over: heads with fewer rows were padded then, and `obtainedKeep` is what that took.
      emptyRate: z.number().nullable(),
      cutRate: z.number().nullable(),
      secondsPerQuestion: z.number(),
      intervals: z.object(intervals),
      differences: boundedList(z.object({ to: z.object(condition), ...intervals })),
      breakdown: boundedList(z.object({ facts, ...means })).optional(),
    }),
    { least: 1 },
  ),
  bootstrap: z.object({
    resamples: z.int(),
    confidence: z.number().gt(0).lt(1),
    seed: z.int(),
    unit: z.enum(["passage", "question"]),
    units: z.int(),
  }),
  questions: z.int(),
  passages: z.int(),
  failures: boundedList(
    z.object({
      sample: z.int(),
      id: z.string(),
      method: z.string(),
      keep: z.number().nullable(),
      failure: z.object({ code: z.string(), message: z.string() }),
    }),
  ),
});

/** A result.json as it was read: of this version of the program, or of an earlier one. */
export type StoredResult = z.infer<typeof resultSchema>;

const LIMITS = { maxDepth: 16, maxKeys: 2_000_000 };

/**
 * The contents of a result.json.
 * @throws KvDistillError `bad-file` with all faults; `unsupported` for a later version
 */
export function parseResult(text: string, where: string): StoredResult & Summary {
  const json = parseStrictJson(text, where, LIMITS);
  const version = z.object({ format: z.literal("kv-distill evaluation"), version: z.number() }).safeParse(json)
    .data?.version;
  if (version !== undefined && version !== 1) {
    throw new KvDistillError("unsupported", "the evaluation was written by another version of the program", {
      where,
      expected: "version 1",
      got: `version ${version}`,
    });
  }
  const parsed = resultSchema.safeParse(json);
  // Optional fields are absent, never undefined: it was JSON.
  if (parsed.success) return parsed.data as StoredResult & Summary;
  const faults = parsed.error.issues.map((issue) => `${issue.path.join(".") || "(whole file)"}: ${issue.message}`);
  throw new KvDistillError("bad-file", "not the result of an evaluation", { where, faults: faultList(faults) });
}

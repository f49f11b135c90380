import { describe, expect, test } from "vitest";
import type { z } from "zod";
import { ANSWERS_JOB, answeredPassagesSchema, sentPassagesSchema } from "../../src/distribute/jobs/answers.ts";
import { COMPRESS_JOB, compressedDocumentsSchema, sentDocumentsSchema } from "../../src/distribute/jobs/compress.ts";
import { EVAL_JOB, evalMeasuredSchema, sentTasksSchema } from "../../src/distribute/jobs/eval.ts";
import { GRADIENTS_JOB } from "../../src/distribute/jobs/gradients.ts";
import { INNER_STEPS_JOB } from "../../src/distribute/jobs/inner-steps.ts";
import { sentBatchesSchema } from "../../src/distribute/jobs/training-job.ts";
import { outcomesSchema } from "../../src/distribute/run/outcomes.ts";

const sha256 = "0".repeat(64);
const file = { key: "runs/a/x.json", sha256, bytes: 7 };
const failure = { code: "engine", message: "m" };
const adapter = { hash: sha256, files: [{ name: "adapter.json", file }] };
const facts = { sha256, bytes: 1, tokens: 1, rows: 1, kept: 1, warnings: ["w"] };
const row = {
  ...{ sample: 0, passage: 0, id: "q", method: "full", keep: null, contextTokens: 9, rows: 9, answer: "a" },
  ...{ newTokens: 1, finish: "stop", forwardKl: 0, top1: 1, answerNll: 1, answerTokens: 1, seconds: 0.5 },
};
const question = { id: "q", question: "?", answers: ["a"], letters: ["A"], facts: { of: "x" } };
const items = [
  {
    keep: 0.5,
    passage: {
      ...{ id: "p", source: "s", contextIds: [1] },
      turns: [{ kind: "question", questionIds: [1], answerIds: [2] }],
    },
  },
];
const step = {
  ...{ epoch: 0, loss: 1, forwardKl: 1, reverseKl: 1, scorerDistance: 0, keep: 0.5 },
  ...{ gradientNorm: 1, learningRate: 1, tokens: 1 },
};

/** What goes through the queue and the store, with every list in it. */
const FORMS: readonly (readonly [string, z.ZodType, unknown])[] = [
  ["passages to answer", sentPassagesSchema, [{ id: "p", context: "c", questions: [{ id: "q", question: "?" }] }]],
  ["answers", answeredPassagesSchema, [{ id: "p", answers: [{ id: "q", text: "t", finish: "stop" }] }]],
  ["work of answers", ANSWERS_JOB.work, { style: "short-answer", maxTokens: 1, passages: file }],
  ["documents", sentDocumentsSchema, [{ name: "d", sha256, text: "t" }]],
  [
    "compressed documents",
    compressedDocumentsSchema,
    [
      { name: "d", sha256, file, facts },
      { name: "e", sha256, failure },
    ],
  ],
  [
    "work of compress",
    COMPRESS_JOB.work,
    { settings: { keep: 0.5, method: "h2o", fold: false, marked: false, seed: 0 }, adapter, documents: file },
  ],
  [
    "work of eval",
    EVAL_JOB.work,
    {
      settings: {
        ...{ methods: ["full"], keeps: [1], metrics: ["f1"], sinks: 4, seed: 0, taskMaxNewTokens: 1 },
        ...{ maxNewTokens: null, goldTokens: 1, fold: null, foldCut: "even" },
      },
      adapter,
      passages: file,
    },
  ],
  [
    "passages to measure",
    sentTasksSchema,
    [
      {
        ...{ index: 0, firstSample: 0, id: "p", source: "s", context: "c" },
        style: { name: "n", chat: true, before: "b", after: "a" },
        questions: [question],
      },
    ],
  ],
  ["what was measured", evalMeasuredSchema, { rows: [{ row, written: "a" }], kept: ["k"] }],
  ["batches", sentBatchesSchema, [{ epoch: 0, items }]],
  ["work of gradients", GRADIENTS_JOB.work, { config: { rank: 4 }, parameters: file, turnCount: 1, items: file }],
  [
    "gradients",
    GRADIENTS_JOB.result,
    { loss: 1, forwardKl: 1, reverseKl: 1, scorerDistance: 0, tokens: 1, gradients: file },
  ],
  [
    "work of a part",
    INNER_STEPS_JOB.work,
    { config: { rank: 4 }, parameters: file, state: file, momentSteps: 0, step: 0, batches: file },
  ],
  ["steps of a part", INNER_STEPS_JOB.result, { delta: file, state: file, steps: [step] }],
  ["outcomes", outcomesSchema, [{ result: 1 }, { failure }]],
];

/** Copies of a value, in each of which one of its lists holds a million things that belong nowhere. */
function* spoilt(value: unknown): Generator<unknown, void, undefined> {
  if (typeof value !== "object" || value === null) return;
  if (Array.isArray(value)) yield Array<unknown>(1_000_000).fill({ wrong: true });
  for (const [key, own] of Object.entries(value)) {
    for (const other of spoilt(own)) {
      yield Array.isArray(value) ? value.with(Number(key), other) : { ...value, [key]: other };
    }
  }
}

/** Copies of a value, in each of which one of its files lies elsewhere. */
function* led(value: unknown): Generator<unknown, void, undefined> {
  if (typeof value !== "object" || value === null) return;
  if ("key" in value) for (const key of ["../x", "/etc/passwd", "runs/../../x"]) yield { ...value, key };
  for (const [key, own] of Object.entries(value)) {
    for (const other of led(own)) {
      yield Array.isArray(value) ? value.with(Number(key), other) : { ...value, [key]: other };
    }
  }
}

describe.each(FORMS)("%s", (_, schema, whole) => {
  test("are read, and a list of a million faults in them costs ten", () => {
    expect(schema.parse(whole)).toEqual(whole);
    for (const value of spoilt(whole)) {
      const { error } = schema.safeParse(value);
      // A fault of a thing: one for each field that it lacks, and one for what it has too much.
      expect(error?.issues.length).toBeLessThanOrEqual(10 * 20);
      expect(error?.issues.length).toBeGreaterThan(0);
    }
  });

  test("name no file outside the store", () => {
    for (const value of led(whole)) expect(schema.safeParse(value).success, JSON.stringify(value)).toBe(false);
  });
});

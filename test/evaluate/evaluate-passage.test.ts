import { describe, expect, test } from "vitest";
import type { CompressionMethod } from "../../src/compress/method.ts";
import { methodNamed } from "../../src/compress/methods/index.ts";
import { conditionsOf } from "../../src/evaluate/run/conditions.ts";
import { evaluatePassage } from "../../src/evaluate/run/evaluate-passage.ts";
import { groupQuestions } from "../../src/evaluate/run/question.ts";
import { shortAnswer, squadTask } from "../../src/evaluate/tasks/squad.ts";
import type { SampleRow } from "../../src/evaluate/run/sample-row.ts";
import { KvDistillError } from "../../src/util/errors.ts";
import { ROWS, useRoomyModel } from "./tiny-run.ts";

const { model } = useRoomyModel();
const questions = ROWS.slice(3, 6).map(shortAnswer);
const passage = { id: "p", source: "test", context: ROWS[3]?.context ?? "", questions };

async function rowsWith(broken: CompressionMethod["compress"]): Promise<SampleRow[]> {
  const names = ["full", "random", "h2o"];
  const methods = new Map(names.map((name) => [name, methodNamed(name, undefined)]));
  methods.set("random", { name: "random", compress: broken });
  const setup = {
    model: model(),
    task: squadTask("none"),
    methods,
    conditions: conditionsOf(names, [0.5]),
    sinks: 4,
    seed: 0,
    maxNewTokens: 3,
    goldTokens: 128,
  };
  const rows: SampleRow[] = [];
  for await (const batch of evaluatePassage(setup, { index: 0, firstSample: 10, passage }, () => true)) {
    rows.push(...batch);
  }
  return rows;
}

describe("a method that fails", () => {
  test("on a sample: its questions count as failed, the other methods go on", async () => {
    const rows = await rowsWith(() => Promise.reject(new KvDistillError("out-of-memory", "no room")));
    expect(rows.map(({ sample, method, finish }) => [sample, method, finish === "failure"])).toEqual(
      ["full", "random", "h2o"].flatMap((method) => [10, 11, 12].map((i) => [i, method, method === "random"])),
    );
    const failed = rows.filter(({ method }) => method === "random");
    for (const { em, f1, empty, forwardKl, rows: kept, failure } of failed) {
      expect([em, f1, empty, forwardKl, kept]).toEqual([0, 0, 1, null, null]);
      expect(failure).toEqual({ code: "out-of-memory", message: "no room" });
    }
  });

  test("by numbers that are none: likewise, question by question", async () => {
    const rows = await rowsWith(async ({ context }) => {
      const { layers } = await context.full();
      const bad = layers.map(({ keys, values }) => ({ keys, values: values.map(() => NaN) }));
      return { layers: bad, positions: [Int32Array.from(context.ids.keys())] };
    });
    const failed = rows.filter(({ failure }) => failure !== undefined);
    expect(failed.map(({ sample, method, failure }) => [sample, method, failure?.code])).toEqual(
      [10, 11, 12].map((sample) => [sample, "random", "not-finite"]),
    );
  });

  test("by a bug: the run ends", async () => {
    await expect(rowsWith(() => Promise.reject(new TypeError("a bug")))).rejects.toThrow("a bug");
    const fault = new KvDistillError("shape-mismatch", "a bug");
    await expect(rowsWith(() => Promise.reject(fault))).rejects.toBe(fault);
  });
});

test("groups keep the order, hold each question once and stay small", () => {
  const sizes = [20, 300, 300, 30, 700, 1, ...new Array<number>(20).fill(9)];
  const questions = sizes.map((size, sample) => ({
    sample,
    questionIds: new Array<number>(size - 1).fill(0),
    answerIds: [0],
  }));
  const groups = groupQuestions(questions);
  expect(groups.flat()).toEqual(questions);
  for (const group of groups) {
    const tokens = group.reduce((sum, { questionIds }) => sum + questionIds.length + 1, 0);
    expect(group.length).toBeLessThanOrEqual(8);
    expect(tokens <= 512 || group.length === 1).toBe(true);
  }
  expect(groups.map((group) => group.length)).toEqual([2, 2, 1, 8, 8, 5]);
});

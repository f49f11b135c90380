import { describe, expect, test, vi } from "vitest";
import { CompressionContext } from "../../src/compress/context.ts";
import { keptCount } from "../../src/compress/kept-count.ts";
import type { CompressionMethod } from "../../src/compress/method.ts";
import { methodNamed } from "../../src/compress/methods/index.ts";
import { divergence, teacherOf } from "../../src/evaluate/metrics/divergence.ts";
import { partsOf } from "../../src/evaluate/run/batches.ts";
import { conditionsOf } from "../../src/evaluate/run/conditions.ts";
import { evaluatePassage } from "../../src/evaluate/run/evaluate-passage.ts";
import { readQuestions } from "../../src/evaluate/run/read-questions.ts";
import { Sequences } from "../../src/generate/sequences.ts";
import { passagePromptOf } from "../../src/models/passage-prompt-of.ts";
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
    foldCut: "even" as const,
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
    const seen = rows.map(({ sample, method, finish }) => [sample, method, finish === "failure"]);
    const all = ["full", "random", "h2o"].flatMap((method) =>
      [10, 11, 12].map((i) => [i, method, method === "random"]),
    );
    expect(seen).toHaveLength(all.length);
    expect(seen).toEqual(expect.arrayContaining(all));
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
    const seen = failed.map(({ sample, method, failure }) => [sample, method, failure?.code]);
    expect(seen.sort()).toEqual([10, 11, 12].map((sample) => [sample, "random", "not-finite"]));
  });

  test("by a bug: the run ends", async () => {
    await expect(rowsWith(() => Promise.reject(new TypeError("a bug")))).rejects.toThrow("a bug");
    const fault = new KvDistillError("shape-mismatch", "a bug");
    await expect(rowsWith(() => Promise.reject(fault))).rejects.toBe(fault);
  });
});

async function measured(
  names: readonly string[],
  keeps: readonly number[],
  changes: Partial<CompressionMethod> = {},
  fold?: number,
): Promise<SampleRow[]> {
  const setup = {
    model: model(),
    task: squadTask("none"),
    methods: new Map(names.map((name) => [name, { ...methodNamed(name, undefined), ...changes }])),
    conditions: conditionsOf(names, keeps),
    sinks: 4,
    foldCut: "even" as const,
    seed: 0,
    maxNewTokens: 3,
    goldTokens: 128,
    ...(fold === undefined ? {} : { fold }),
  };
  const rows: SampleRow[] = [];
  for await (const batch of evaluatePassage(setup, { index: 0, firstSample: 0, passage }, () => true)) {
    rows.push(...batch);
  }
  return rows;
}

test("heads with different numbers of rows are counted as they are held", async () => {
  const rows = await measured(["full", "kvzip", "h2o"], [0.5, 0.25]);
  const compressed = rows.filter(({ method }) => method !== "full");
  expect(compressed).toHaveLength(4 * 3);
  for (const { rows: held, keep, contextTokens, forwardKl } of compressed) {
    expect(held).toBe(Math.round((keep ?? NaN) * contextTokens));
    expect(forwardKl).not.toBeNull();
  }
});

test("a method's caches are read where it says that reading goes on", async () => {
  const [byContext, byKept] = await Promise.all(
    [{}, { readPositions: "kept" as const }].map((changes) => measured(["full", "streaming"], [0.5], changes)),
  );
  const prompt = passagePromptOf(model().files, "short-answer");
  const ids = prompt.contextIds(passage.context);
  const count = keptCount(ids.length, 0.5, 4);
  const context = new CompressionContext(model(), ids);
  const { layers } = await methodNamed("streaming", undefined).compress({ context, count, sinks: 4, seed: 0 });
  const whole = (await context.full()).layers;
  const found: number[] = [];
  for (const [rows, position] of [
    [byContext, ids.length],
    [byKept, count],
  ] as const) {
    for (const { sample, forwardKl } of rows?.filter(({ method }) => method === "streaming") ?? []) {
      const { question: text, answers } = questions[sample] ?? { question: "", answers: [] };
      const question = { questionIds: prompt.questionIds(text), answerIds: prompt.answerIds(answers[0] ?? "") };
      const [teacher, student] = await readQuestions(model(), [
        { start: { layers: whole, position: ids.length }, question, maxNewTokens: 0 },
        { start: { layers, position }, question, maxNewTokens: 0 },
      ]);
      const wanted = divergence(
        teacherOf(teacher?.goldLogits ?? []),
        student?.goldLogits ?? [],
        question.answerIds,
      ).forwardKl;
      expect((forwardKl ?? NaN) / wanted).toBeCloseTo(1, 4);
      found.push(wanted);
    }
  }
  expect(found).toHaveLength(2 * questions.length);
  questions.forEach((_, i) => {
    expect(Math.abs((found[i] ?? NaN) - (found[i + questions.length] ?? NaN))).toBeGreaterThan(1e-5);
  });
  // All are kept: there is one place to go on.
  const [kept] = await Promise.all([measured(["full", "streaming"], [1], { readPositions: "kept" })]);
  for (const { forwardKl } of kept) expect(forwardKl ?? 0).toBeLessThan(1e-6);
});

test("methods that were asked to keep all answer as the full cache does", async () => {
  const names = ["full", "random", "h2o", "kvzip"];
  const rows = await measured(names, [1]);
  const bare = rows.map(({ seconds: _, method, ...row }) => ({ ...row, keep: method === "full" ? 1 : row.keep }));
  expect(rows.map(({ method }) => method).sort()).toEqual(names.flatMap((name) => [name, name, name]).sort());
  for (const row of bare) expect(row).toEqual(bare.find(({ sample }) => sample === row.sample));
});

test("in folds, methods that were asked to keep all read one cache, which is not the full one", async () => {
  const names = ["full", "random", "h2o", "kvzip", "truncated"];
  const opened = vi.spyOn(Sequences, "open");
  const rows = await measured(names, [1], {}, 24);
  const starts = new Set(opened.mock.calls.flatMap(([, all]) => all.map(({ layers }) => layers)));
  opened.mockRestore();
  // The full cache, the folds' and the cut text's, which reads for itself.
  expect(starts.size).toBe(3);
  const of = (name: string): unknown[] =>
    rows.filter(({ method }) => method === name).map((row) => ({ ...row, method: "", seconds: 0 }));
  expect(of("random")).toHaveLength(questions.length);
  for (const name of ["h2o", "kvzip"]) expect(of(name)).toEqual(of("random"));
  const divergences = rows.filter(({ method }) => method === "random").map(({ forwardKl }) => forwardKl ?? NaN);
  expect(Math.max(...divergences)).toBeGreaterThan(1e-6);
});

test("a passage is compressed once for each method and budget, whatever is asked of it; by a method that sees the question once for each", async () => {
  const h2o = methodNamed("h2o", undefined);
  const methods = new Map<string, CompressionMethod>(
    ["full", "none", "random", "kvzip"].map((name) => [name, methodNamed(name, undefined)]),
  );
  methods.set("sees", { name: "sees", questionAware: true, compress: (request) => h2o.compress(request) });
  const compressions: string[] = [];
  const counting = [...methods].map(([name, method]): [string, CompressionMethod] => [
    name,
    {
      ...method,
      compress: (request) => {
        compressions.push(`${name} ${request.count} of ${request.context.ids.length}`);
        return method.compress(request);
      },
    },
  ]);
  const setup = {
    model: model(),
    task: squadTask("none"),
    methods: new Map(counting),
    conditions: conditionsOf([...methods.keys()], [0.5, 0.25]),
    sinks: 4,
    seed: 0,
    maxNewTokens: 3,
    goldTokens: 128,
    foldCut: "even" as const,
  };
  const rows: SampleRow[] = [];
  for await (const batch of evaluatePassage(setup, { index: 0, firstSample: 0, passage }, () => true)) {
    rows.push(...batch);
  }
  expect(rows.filter(({ failure }) => failure !== undefined)).toEqual([]);
  expect(rows).toHaveLength(questions.length * setup.conditions.length);
  const tokens = rows[0]?.contextTokens ?? 0;
  const [half, quarter] = [0.5, 0.25].map((keep) => Math.round(keep * tokens));
  expect(compressions.sort()).toEqual(
    [
      `none 5 of ${tokens}`,
      ...["random", "kvzip"].flatMap((name) => [half, quarter].map((count) => `${name} ${count} of ${tokens}`)),
      ...questions.flatMap(() => [half, quarter].map((count) => `sees ${count} of ${tokens}`)),
    ].sort(),
  );
});

describe("what is read together", () => {
  const config = { numLayers: 2, numKvHeads: 2, headDim: 4, vocabSize: 100 };
  const questions = [20, 300, 31, 30, 700, 1].map((size, sample) => ({
    sample,
    question: { id: "", question: "", answers: [], score: () => ({}) },
    questionIds: new Array<number>(size).fill(0),
    answerIds: [0, 1],
    letterIds: [],
  }));
  const conditions = [1000, 20, 500, 500, 40, 2000];
  const ROW = 4 * 2 * 2 * 2 * 4;
  /** A cache, and what each of the questions reads on it, whose gold answers' logits are two rows. */
  const bytesOf = (rows: number, size: number, asked = 1): number =>
    ROW * rows + asked * (ROW * (size + 4) + 4 * 2 * 100);

  test("stays within memory, or is one question on one cache; every pair comes once, the longest caches first", () => {
    for (const mostBytes of [1, 300_000, 1_000_000, 1e9]) {
      const parts = partsOf(conditions, questions, { config, maxNewTokens: 5, rowsOf: (rows) => rows, mostBytes });
      expect(parts.flatMap((part) => part.conditions)).toEqual([2000, 1000, 500, 500, 40, 20]);
      for (const part of parts) {
        expect(new Set(part.batches.flat())).toEqual(new Set(questions));
        expect(part.batches.flat()).toHaveLength(questions.length);
        for (const batch of part.batches) {
          const longest = Math.max(...batch.map(({ questionIds }) => questionIds.length));
          const bytes = part.conditions.length * bytesOf(Math.max(...part.conditions), longest, batch.length);
          expect(bytes <= mostBytes || part.conditions.length * batch.length === 1).toBe(true);
        }
      }
    }
  });

  test("holds a cache once, however many conditions read it", () => {
    const same = ["a", "b", "c", "d"];
    const limits = { config, maxNewTokens: 5, rowsOf: () => 1000, mostBytes: 2 * bytesOf(1000, 700) };
    const parts = (cacheOf?: (condition: string) => unknown): unknown =>
      partsOf(same, questions.slice(4, 5), { ...limits, ...(cacheOf && { cacheOf }) }).map((part) => part.conditions);
    expect(parts()).toEqual([
      ["a", "b"],
      ["c", "d"],
    ]);
    expect(parts(() => "one")).toEqual([same]);
    expect(parts((name) => (name === "a" ? "a" : "others"))).toEqual([same]);
    const sizes = (isQuestionAware: boolean): unknown => {
      const one = { ...limits, cacheOf: () => "one", isQuestionAware: () => isQuestionAware };
      const [{ batches } = { batches: [] }] = partsOf(same, questions.slice(1, 5), one);
      return batches.map((batch) => batch.map(({ questionIds }) => questionIds.length));
    };
    // Once for all questions as well, unless it is made for each.
    expect(bytesOf(1000, 300, 3)).toBeLessThan(limits.mostBytes);
    expect(bytesOf(1000, 700, 4)).toBeGreaterThan(limits.mostBytes);
    expect(sizes(false)).toEqual([[30, 31, 300], [700]]);
    expect(sizes(true)).toEqual([
      [30, 31],
      [300, 700],
    ]);
  });

  test("is of one family", () => {
    const family = (rows: number): string => (rows % 40 === 0 ? "fours" : "others");
    const limits = { config, maxNewTokens: 5, rowsOf: (rows: number) => rows, familyOf: family };
    const parts = partsOf(conditions, questions, limits);
    // 1,000 and 40 are of the one, 500 and 20 of the other.
    expect(parts.map((part) => part.conditions)).toEqual([[2000], [1000], [500, 500], [40], [20]]);
  });

  test("is as much as fits of like length, of caches and of questions", () => {
    const parts = partsOf(conditions, questions, { config, maxNewTokens: 5, rowsOf: (rows) => rows });
    // With the longest question of 700 tokens: 2,700 rows and 1,700 are not alike, 1,700 and 1,200 are.
    expect(parts.map((part) => part.conditions)).toEqual([[2000], [1000, 500, 500], [40, 20]]);
    for (const { batches } of parts) {
      expect(batches.map((batch) => batch.map(({ sample }) => sample))).toEqual([[5, 0, 3, 2, 1, 4]]);
    }
  });

  test("is more of short caches, whose padding costs less than another step", () => {
    const short = questions.map((one) => ({ ...one, questionIds: one.questionIds.slice(0, 15) }));
    const limits = { config, maxNewTokens: 6, rowsOf: (rows: number) => rows };
    // With 20 tokens more each: half as many rows are alike up to 512, seven tenths beyond.
    const parts = (rows: readonly number[]): unknown => partsOf(rows, short, limits).map((part) => part.conditions);
    expect(parts([200, 90, 89, 35, 34])).toEqual([[200, 90], [89, 35], [34]]);
    expect(parts([493, 340, 339])).toEqual([[493, 340], [339]]);
    expect(parts([492, 236, 235])).toEqual([[492, 236], [235]]);
  });
});

import { appendFile, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { adapterHash } from "../../src/cache/adapter-hash.ts";
import { attachAdapter } from "../../src/compress/loaded-adapter.ts";
import type { EvalConfig } from "../../src/evaluate/run/config.ts";
import { evaluate, type EvaluateOptions, type EvaluationResult } from "../../src/evaluate/run/evaluate.ts";
import type { SampleRow } from "../../src/evaluate/run/sample-row.ts";
import type { ConditionResult } from "../../src/evaluate/run/summary.ts";
import { squadTask } from "../../src/evaluate/tasks/squad.ts";
import { readRun } from "../../src/evaluate/report/read-run.ts";
import { decode } from "../../src/generate/decode.ts";
import { GREEDY } from "../../src/generate/sample.ts";
import { passagePromptOf } from "../../src/models/load-model.ts";
import { randomFromSeed } from "../../src/util/random.ts";
import { tinyAdapter } from "../compress/tiny.ts";
import { CONFIG, jsonLines, ROOM, ROWS, useRoomyModel } from "./tiny-run.ts";

// Whole evaluations, several a test: seconds alone, more on a busy machine.
vi.setConfig({ testTimeout: 180_000 });

const { model, work } = useRoomyModel();

let runs = 0;
/** Runs an evaluation in a folder of its own. */
async function run(
  config: Partial<EvalConfig> = {},
  options: Partial<EvaluateOptions> & { readonly rows?: typeof ROWS; readonly data?: string } = {},
): Promise<{ result: EvaluationResult; rows: SampleRow[]; out: string; data: string; notes: string[] }> {
  const number = ++runs;
  const written = join(work(), `data-${number}.jsonl`);
  const { rows = ROWS, out = join(work(), `run-${number}`), data = written, ...rest } = options;
  await writeFile(written, jsonLines(rows));
  const notes: string[] = [];
  const result = await evaluate({
    model: model(),
    task: squadTask(data),
    config: { ...CONFIG, ...config },
    out,
    onNote: (line) => notes.push(line),
    ...rest,
  });
  return { result, rows: await readRows(out), out, data, notes };
}

async function readRows(out: string): Promise<SampleRow[]> {
  const text = await readFile(join(out, "samples.jsonl"), "utf8");
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as SampleRow);
}

const of = (rows: readonly SampleRow[], method: string, keep: number | null = null): SampleRow[] =>
  rows.filter((row) => row.method === method && row.keep === keep).sort((a, b) => a.sample - b.sample);
/** Rows without their times, in one order. */
const timeless = (rows: readonly SampleRow[]): unknown[] =>
  rows.map((row) => ({ ...row, seconds: 0 })).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
/** The last digits of divergences depend on how many caches are read together. */
const withoutKl = (rows: readonly SampleRow[]): unknown[] =>
  timeless(rows.map((row) => ({ ...row, forwardKl: 0, answerNll: 0 })));
const untimed = (results: readonly ConditionResult[]): unknown[] =>
  results.map((result) => ({ ...result, secondsPerQuestion: 0 }));

describe("what is measured", () => {
  test("everything kept is the full cache: same answers, no divergence; less kept is not", async () => {
    const { rows } = await run({ keeps: [1, 0.25] });
    const full = of(rows, "full");
    expect(full.map(({ forwardKl, top1 }) => [forwardKl, top1])).toEqual(full.map(() => [0, 1]));
    for (const method of ["random", "streaming", "h2o"]) {
      for (const [i, row] of of(rows, method, 1).entries()) {
        expect(row.forwardKl).toBeLessThan(1e-9);
        expect(row).toMatchObject({ rows: row.contextTokens, answer: full[i]?.answer, top1: 1, f1: full[i]?.f1 });
      }
      expect(Math.min(...of(rows, method, 0.25).map(({ forwardKl }) => forwardKl ?? 0))).toBeGreaterThan(1e-6);
    }
    expect(new Set(full.map(({ answer }) => answer)).size).toBeGreaterThan(1);
  });

  test("the full cache's answers are the plain model's", async () => {
    const { rows } = await run({ methods: ["full"] });
    const { tokenizer } = model().files;
    const prompt = passagePromptOf(model().files, "short-answer");
    for (const { sample, answer, newTokens, finish } of rows) {
      const { context, question } = ROWS[sample] ?? { context: "", question: "" };
      const cache = await model().newCache();
      const ids: number[] = [];
      const read = [...prompt.contextIds(context), ...prompt.questionIds(question)];
      const options = { maxTokens: 6, stopIds: tokenizer.eosIds, sampling: GREEDY, random: randomFromSeed(0) };
      for await (const id of decode(model(), cache, read, options)) ids.push(id);
      cache.release();
      expect([answer, newTokens, finish]).toEqual([
        tokenizer.decode(ids, { skipSpecial: true }).trim(),
        ids.length,
        ids.length < 6 ? "stop" : "length",
      ]);
    }
  });

  test("every budget once for methods that have one, full and none once; kept as asked", async () => {
    const { result, rows } = await run();
    expect(result.results.map(({ method, keep }) => [method, keep])).toEqual([
      ["full", 1],
      ["none", expect.closeTo(result.results[1]?.obtainedKeep ?? 0)],
      ...[0.5, 0.25].flatMap((keep) => ["random", "streaming", "h2o"].map((method) => [method, keep])),
    ]);
    for (const row of rows.filter(({ keep }) => keep !== null)) {
      expect(row.rows).toBe(Math.max(5, Math.floor((row.keep ?? 0) * row.contextTokens + 0.5)));
    }
    expect(of(rows, "none").map(({ rows: kept }) => kept)).toEqual(ROWS.map(() => 4));
    expect(rows.length).toBe(8 * ROWS.length);
  });

  test("the same seed gives the same rows, another one other random tokens and nothing else", async () => {
    const [first, again, other] = [await run(), await run(), await run({ seed: 1 })];
    expect(timeless(again.rows)).toEqual(timeless(first.rows));
    expect(timeless(of(other.rows, "random", 0.25))).not.toEqual(timeless(of(first.rows, "random", 0.25)));
    expect(timeless(of(other.rows, "h2o", 0.25))).toEqual(timeless(of(first.rows, "h2o", 0.25)));
  });

  test("kv-distill beside the others: sinks of the adapter for all, differences to it and to full", async () => {
    const adapter = await attachAdapter(model(), tinyAdapter(model()));
    const { result, rows } = await run({ methods: ["h2o", "kv-distill", "none"] }, { adapter });
    adapter.release();
    expect(of(rows, "none").map(({ rows: kept }) => kept)).toEqual(ROWS.map(() => 3));
    expect(result.identity).toMatchObject({ sinks: 3, adapterHash: adapterHash(adapter.adapter) });
    const references = result.results.map(({ method, keep, differences }) => [
      `${method} ${method === "none" ? "" : keep}`,
      differences.map(({ to }) => `${to.method} ${to.keep}`),
    ]);
    expect(references).toEqual([
      ["none ", ["kv-distill 0.5", "kv-distill 0.25"]],
      ["h2o 0.5", ["kv-distill 0.5"]],
      ["kv-distill 0.5", []],
      ["h2o 0.25", ["kv-distill 0.25"]],
      ["kv-distill 0.25", []],
    ]);
    for (const { intervals, differences } of result.results) {
      for (const { goldInAnswer, f1, forwardKl } of [intervals, ...differences]) {
        for (const interval of [goldInAnswer, f1, forwardKl]) {
          expect(interval?.low).toBeLessThanOrEqual((interval?.mean ?? NaN) + 1e-9);
          expect(interval?.high).toBeGreaterThanOrEqual((interval?.mean ?? NaN) - 1e-9);
        }
      }
    }
    expect(result.bootstrap).toMatchObject({ resamples: 10_000, unit: "question", units: 8 });
  });
});

describe("which questions", () => {
  test("the first of the file, counted over passages", async () => {
    const { result, rows } = await run({ limit: 4, methods: ["full"] });
    expect(rows.map(({ id, passage }) => [id, passage])).toEqual([
      ["q0", 0],
      ["q1", 0],
      ["q2", 1],
      ["q3", 2],
    ]);
    expect(result).toMatchObject({ questions: 4, passages: 3 });
    expect(result.results[0]?.n).toBe(4);
  });

  test("fewer than asked for, and malformed rows, are told", async () => {
    const data = join(work(), "broken.jsonl");
    await writeFile(data, `${jsonLines(ROWS.slice(0, 2))}{"context":"x"}\n`);
    const { result, notes } = await run({ limit: 100, methods: ["full"] }, { data });
    expect(result.results[0]?.n).toBe(2);
    expect(result.data.malformedRows).toBe(1);
    expect(notes.join("\n")).toMatch(
      /malformed rows left out: 1\n.*broken\.jsonl:3: [^]*has 2 questions, fewer than 100/,
    );
  });

  test("none at all is refused", async () => {
    await expect(run({}, { rows: [] })).rejects.toMatchObject({ code: "bad-file" });
  });
});

test("a question that does not fit is a failure, counted as wrong and listed; the others do not notice", async () => {
  const long = { ...(ROWS[1] ?? ROWS[0]), id: "long", question: "x".repeat(ROOM) } as (typeof ROWS)[number];
  const rows = [...ROWS.slice(0, 2), long, ...ROWS.slice(2)];
  const { result, rows: made } = await run({ keeps: [0.25] }, { rows });
  const { rows: without } = await run({ keeps: [0.25] });
  expect(result.results.map(({ n, klN }) => [n, klN])).toEqual(
    result.results.map(() => [ROWS.length + 1, ROWS.length]),
  );
  const listed = (code: string) => result.failures.filter(({ failure }) => failure?.code === code);
  expect(listed("context-too-long").map(({ id, method }) => [id, method])).toEqual(
    result.results.map(({ method }) => ["long", method]),
  );
  // So is an answer that says nothing.
  const silent = made.filter(({ id, answer }) => id !== "long" && !/[\p{L}\p{N}]/u.test(answer));
  expect(silent).not.toEqual([]);
  expect(new Set(listed("empty-answer").map(({ sample, method }) => `${sample} ${method}`))).toEqual(
    new Set(silent.map(({ sample, method }) => `${sample} ${method}`)),
  );
  expect(result.failures).toHaveLength(silent.length + result.results.length);
  expect(result.results.reduce((sum, { failures }) => sum + failures, 0)).toBe(result.failures.length);
  const answers = (all: readonly SampleRow[]): unknown[] => of(all, "full").map(({ id, answer }) => [id, answer]);
  expect(answers(made)).toEqual([...answers(without).slice(0, 2), ["long", ""], ...answers(without).slice(2)]);
  const [full] = result.results;
  const right = of(without, "full").reduce((sum, { goldInAnswer }) => sum + (goldInAnswer ?? 0), 0);
  expect(full?.goldInAnswer).toBeCloseTo((100 * right) / (ROWS.length + 1), 10);
});

describe("a run that was stopped", () => {
  test.each([1, 2, 3])("goes on to the same rows and results, stopped after batch %i", async (batches) => {
    const straight = await run();
    const controller = new AbortController();
    const out = join(work(), `stopped-${batches}`);
    let seen = 0;
    const stopped = run(
      {},
      {
        out,
        data: straight.data,
        signal: controller.signal,
        onProgress: (_done, _total, latest) => {
          if (latest.length > 0 && ++seen === batches) controller.abort();
        },
      },
    );
    await expect(stopped).rejects.toMatchObject({ code: "cancelled" });
    const before = await readRows(out);
    expect(before.length).toBeGreaterThan(0);
    expect(before.length).toBeLessThan(straight.rows.length);
    expect(await readdir(out)).not.toContain("result.json");

    // As a crash leaves it: one row of a batch missing, the next half written.
    const lines = before.slice(0, before.length > 1 ? -1 : undefined).map((row) => JSON.stringify(row));
    await writeFile(join(out, "samples.jsonl"), [...lines, '{"sample":7,"passa'].join("\n"));
    const resumed = await run({}, { out, data: straight.data, resume: true });
    expect(timeless(resumed.rows)).toEqual(timeless(straight.rows));
    expect(untimed(resumed.result.results)).toEqual(untimed(straight.result.results));
  });

  test("is not run over, nor continued with other settings, which are named", async () => {
    const { out, data } = await run({ limit: 2 });
    await expect(run({ limit: 2 }, { out, data })).rejects.toMatchObject({ code: "bad-argument", message: /--resume/ });
    const other = run({ limit: 3, seed: 1 }, { out, data, resume: true });
    await expect(other).rejects.toMatchObject({
      code: "bad-argument",
      facts: { faults: ["limit: begun with 2, now 3", "seed: begun with 0, now 1"] },
    });
    await appendFile(data, "\n");
    await expect(run({ limit: 2 }, { out, data, resume: true })).rejects.toThrow(/dataSha256: begun with/);
  });

  test("that was finished is only summed up again", async () => {
    const { out, data, rows, result } = await run({ limit: 3 });
    const again = await run({ limit: 3 }, { out, data, resume: true });
    expect(again.rows).toEqual(rows);
    expect(again.result.results).toEqual(result.results);
  });
});

describe("rows of another run", () => {
  test("are taken over, the missing ones measured: the result of the straight run", async () => {
    const methods = ["full", "random", "streaming"];
    const first = await run({ methods, keeps: [0.5], limit: 6 });
    const changes = { methods: ["full", "streaming", "h2o"], keeps: [0.5, 0.25] };
    const straight = await run(changes);
    const again = await run(changes, { reuse: [first.out] });
    // Of 6 questions the full cache and sinks + recent at 50 %.
    expect(again.result.reused).toMatchObject([{ folder: first.out, rows: 12 }]);
    expect(again.notes).toContain(`12 rows taken over from ${first.out}`);
    expect(withoutKl(again.rows)).toEqual(withoutKl(straight.rows));
    again.rows.forEach((row, i) => {
      const wanted = straight.rows.find(
        (one) => one.sample === row.sample && one.method === row.method && one.keep === row.keep,
      );
      expect(row.forwardKl).toBeCloseTo(wanted?.forwardKl ?? NaN, 5);
      expect(i).toBeLessThan(straight.rows.length);
    });
    const times = new Set(first.rows.map(({ seconds }) => seconds));
    const taken = again.rows.filter(({ seconds }) => times.has(seconds));
    expect(taken.map(({ method }) => method).sort()).toEqual(
      ["full", "streaming"].flatMap((name) => new Array<string>(6).fill(name)),
    );
    const kept = async (out: string): Promise<string[]> =>
      (await readFile(join(out, "kept.jsonl"), "utf8")).trim().split("\n").sort();
    expect(await kept(again.out)).toEqual(await kept(straight.out));
    // It is a run as any other: it can be summed up again.
    expect((await run(changes, { out: again.out, data: again.data, resume: true })).rows).toEqual(again.rows);
  });

  test("come from several, of a row that two have the first's", async () => {
    const methods = ["full", "random", "streaming"];
    const whole = await run({ methods, keeps: [0.5] });
    const { out: first, rows } = await run({ methods: ["full", "random"], keeps: [0.5], limit: 4 });
    const again = await run({ methods, keeps: [0.5] }, { reuse: [first, whole.out] });
    expect(again.result.reused).toMatchObject([
      { folder: first, rows: 8 },
      { folder: whole.out, rows: 3 * ROWS.length - 8 },
    ]);
    expect(again.rows).toEqual(expect.arrayContaining([...rows]));
    expect(again.rows).toHaveLength(3 * ROWS.length);
    expect(withoutKl(again.rows)).toEqual(withoutKl(whole.rows));
    const stored = await readRun(again.out);
    expect(stored.result.reused).toEqual(again.result.reused);
  });

  test("are not, where the other run asked other things, or of another adapter", async () => {
    const { out, data } = await run({ methods: ["full"] });
    await expect(run({ methods: ["full"], maxNewTokens: 5, seed: 1 }, { reuse: [out] })).rejects.toMatchObject({
      code: "bad-argument",
      facts: { faults: [expect.stringContaining("maxNewTokens"), expect.stringContaining("seed")] },
    });
    await expect(run({}, { reuse: [join(out, "nothing")] })).rejects.toMatchObject({ code: "not-found" });
    const adapters = await Promise.all(
      (["shared", "per-head"] as const).map((selection) => attachAdapter(model(), tinyAdapter(model(), { selection }))),
    );
    const config = { methods: ["full", "kv-distill"], keeps: [0.5] };
    const [first, second] = adapters;
    if (first === undefined || second === undefined) throw new Error("no adapters");
    const before = await run(config, { data, adapter: first });
    const other = await run(config, { data, adapter: second, reuse: [before.out] });
    expect(other.result.reused?.[0]?.rows).toBe(ROWS.length);
    const same = await run(config, { data, adapter: first, reuse: [before.out] });
    expect(same.result.reused?.[0]?.rows).toBe(2 * ROWS.length);
    expect(same.rows).toEqual(before.rows);
  });
});

test("the folder holds settings, rows, a result with its origin, a table for kvpress users and plots", async () => {
  const { out, result, data } = await run({}, { command: "kv-distill eval squad" });
  expect((await readdir(out)).sort()).toEqual([
    "config.json",
    "forward-kl-bytes.svg",
    "forward-kl.svg",
    "gold-in-answer-bytes.svg",
    "gold-in-answer.svg",
    "kept.jsonl",
    "predictions.csv",
    "result.json",
    "samples.jsonl",
  ]);
  const written = JSON.parse(await readFile(join(out, "result.json"), "utf8")) as EvaluationResult;
  expect(written).toEqual(JSON.parse(JSON.stringify(result)));
  expect(written).toMatchObject({
    format: "kv-distill evaluation",
    command: "kv-distill eval squad",
    code: { commit: expect.stringMatching(/^[0-9a-f]{40}$/) as string },
    machine: { cores: expect.any(Number) as number, device: "cpu", threads: 1 },
    identity: { config: CONFIG, modelHash: model().files.hash, adapterHash: "none", promptStyle: "short-answer" },
    data: { path: data },
  });
  const plot = await readFile(join(out, "gold-in-answer.svg"), "utf8");
  expect(plot).toMatch(/^<svg [^]*h2o[^]*<\/svg>\n$/);
});

import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { attachAdapter } from "../../src/compress/loaded-adapter.ts";
import { answersByQueue } from "../../src/distribute/answers-by-queue.ts";
import { evalByQueue } from "../../src/distribute/eval-by-queue.ts";
import { type Link, withLink } from "../../src/distribute/link.ts";
import { fileMemory } from "../../src/distribute/run/memory.ts";
import { createDataReport } from "../../src/data/data-report.ts";
import { prepareAnswers, type PrepareAnswersOptions } from "../../src/data/prepare/prepare-answers.ts";
import { readRows } from "../../src/data/read-rows.ts";
import { evaluate } from "../../src/evaluate/run/evaluate.ts";
import { squadTask } from "../../src/evaluate/tasks/squad.ts";
import { passagePromptOf } from "../../src/models/load-model.ts";
import { createLogger } from "../../src/util/log.ts";
import { randomAdapter } from "../models/random-adapter.ts";
import { CONFIG, jsonLines, ROWS } from "../evaluate/tiny-run.ts";
import { killRedisWith } from "./in-flight.ts";
import { redisServer } from "./redis-server.ts";
import { type HereWorker, TOKEN, useSetting } from "./setting.ts";

// A busy machine takes minutes for what a quiet one does in seconds.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const quick = { shardSize: 40, pollMilliseconds: 50, retryMilliseconds: 50 };

describe.skipIf(!redisServer)("by a queue comes out what one machine gives", () => {
  const setting = useSetting({ s3: true });
  const folder = (name: string): string => join(setting.work(), name);
  const linked = <T>(work: (link: Link) => Promise<T>): Promise<T> =>
    withLink(
      { queue: setting.redis().url, token: TOKEN, store: setting.store() },
      createLogger("silent", () => undefined),
      work,
    );
  const dataFile = async (): Promise<string> => {
    await writeFile(folder("data.jsonl"), jsonLines(ROWS));
    return folder("data.jsonl");
  };

  async function evaluation() {
    const model = setting.model();
    const adapter = await attachAdapter(model, randomAdapter(model));
    const config = { ...CONFIG, methods: ["full", "none", "streaming", "h2o", "kv-distill"], keeps: [0.5] };
    return { model, adapter, task: squadTask(await dataFile()), config };
  }
  /** What an evaluation by the queue left is what one machine leaves. */
  async function expectSameEvaluation(queued: string, alone: string): Promise<void> {
    const read = async (run: string, name: string): Promise<string> =>
      (await readFile(join(folder(run), name), "utf8")).replaceAll(/"seconds":[\d.e-]+/g, '"seconds":0');
    for (const name of ["samples.jsonl", "kept.jsonl", "predictions.csv", "forward-kl.svg"]) {
      expect(await read(queued, name), name).toBe(await read(alone, name));
    }
    expect(await readdir(folder(queued))).toEqual(await readdir(folder(alone)));
    expect(await setting.storedRuns()).toEqual([]);
  }

  const asked = (data: string, out: string): PrepareAnswersOptions => ({
    model: setting.model(),
    prompt: passagePromptOf(setting.model().files, "short-answer"),
    rows: readRows(data, () => undefined),
    out: folder(out),
    maxAnswerTokens: 5,
    maxContextTokens: 300,
    report: createDataReport(),
  });
  const answeredByQueue = (data: string, out: string) =>
    linked((link) => {
      const memory = fileMemory(folder(`${out}.queue.json`));
      const own = { link, model: setting.model(), style: "short-answer", maxTokens: 5, title: "test" } as const;
      return prepareAnswers({ ...asked(data, out), answer: answersByQueue({ ...own, memory, ...quick }) });
    });
  async function expectSameAnswers(queued: string, alone: string): Promise<void> {
    expect(await readFile(folder(queued), "utf8")).toBe(await readFile(folder(alone), "utf8"));
    expect(await setting.storedRuns()).toEqual([]);
  }

  /** Results of two workers that the queue is not told of before they are released. */
  const twoResults = () => [0, 1].map(() => setting.s3().hold("PUT", /\/results\//));
  const bothDid = (workers: readonly HereWorker[]): void => {
    for (const { done } of workers) expect(done().length).toBeGreaterThan(0);
    expect(workers.flatMap(({ done }) => done()).length).toBeGreaterThan(2);
  };

  test("an evaluation with an adapter; also when the command is stopped and resumed", async () => {
    const settings = await evaluation();
    const { adapter } = settings;
    await evaluate({ ...settings, out: folder("alone") });

    const out = folder("queued");
    const memory = fileMemory(join(out, "queue.json"));
    const stop = new AbortController();
    const begun = linked((link) =>
      evaluate({
        ...settings,
        out,
        measure: evalByQueue({ link, adapter, title: "test", memory, signal: stop.signal, ...quick }),
      }),
    );
    while ((await memory.recall().catch(() => undefined)) === undefined) await new Promise(setImmediate);
    stop.abort();
    await expect(begun).rejects.toMatchObject({ code: "cancelled" });

    await setting.workerHere("one");
    await setting.workerHere("two");
    await linked((link) =>
      evaluate({
        ...settings,
        out,
        resume: true,
        measure: evalByQueue({ link, adapter, title: "test", memory, ...quick }),
      }),
    );
    await expectSameEvaluation("queued", "alone");
    adapter.release();
  });

  test("an evaluation while Redis is killed -9 and started again from its append-only file", async () => {
    const settings = await evaluation();
    const { adapter } = settings;
    await evaluate({ ...settings, out: folder("calm") });
    const workers = await Promise.all(["one", "two"].map((name) => setting.workerHere(name)));
    const results = twoResults();
    const out = folder("restarted");
    const memory = fileMemory(join(out, "queue.json"));
    const run = linked((link) =>
      evaluate({ ...settings, out, measure: evalByQueue({ link, adapter, title: "test", memory, ...quick }) }),
    );
    await Promise.all([run, killRedisWith(setting, linked, results)]);
    bothDid(workers);
    await expectSameEvaluation("restarted", "calm");
    adapter.release();
  });

  test("the model's own answers", async () => {
    const data = await dataFile();
    const alone = await prepareAnswers(asked(data, "alone.jsonl"));
    await setting.workerHere("one");
    expect(await answeredByQueue(data, "queued.jsonl")).toEqual(alone);
    expect(alone.answered).toBeGreaterThan(3);
    await expectSameAnswers("queued.jsonl", "alone.jsonl");
  });

  test("the model's own answers while Redis is killed -9 and started again from its append-only file", async () => {
    const data = await dataFile();
    const alone = await prepareAnswers(asked(data, "calm.jsonl"));
    const workers = await Promise.all(["one", "two"].map((name) => setting.workerHere(name)));
    const results = twoResults();
    const [queued] = await Promise.all([
      answeredByQueue(data, "restarted.jsonl"),
      killRedisWith(setting, linked, results),
    ]);
    expect(queued).toEqual(alone);
    bothDid(workers);
    await expectSameAnswers("restarted.jsonl", "calm.jsonl");
  });
});

import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
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
import { redisServer } from "./redis-server.ts";
import { TOKEN, useSetting } from "./setting.ts";

const quick = { shardSize: 40, pollMilliseconds: 50, retryMilliseconds: 50 };

describe.skipIf(!redisServer)("by a queue comes out what one machine gives", () => {
  const setting = useSetting();
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

  test("an evaluation with an adapter; also when the command is stopped and resumed", async () => {
    const model = setting.model();
    const adapter = await attachAdapter(model, randomAdapter(model));
    const config = { ...CONFIG, methods: ["full", "none", "streaming", "h2o", "kv-distill"], keeps: [0.5] };
    const settings = { model, adapter, task: squadTask(await dataFile()), config };
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
    const read = async (run: string, name: string): Promise<string> =>
      (await readFile(join(folder(run), name), "utf8")).replaceAll(/"seconds":[\d.e-]+/g, '"seconds":0');
    for (const name of ["samples.jsonl", "kept.jsonl", "predictions.csv", "forward-kl.svg"]) {
      expect(await read("queued", name)).toBe(await read("alone", name));
    }
    expect(await readdir(folder("queued"))).toEqual(await readdir(folder("alone")));
    expect(await setting.storedRuns()).toEqual([]);
    adapter.release();
  });

  test("the model's own answers", async () => {
    const data = await dataFile();
    const model = setting.model();
    const asked = (out: string): PrepareAnswersOptions => ({
      model,
      prompt: passagePromptOf(model.files, "short-answer"),
      rows: readRows(data, () => undefined),
      out: folder(out),
      maxAnswerTokens: 5,
      maxContextTokens: 300,
      report: createDataReport(),
    });
    const alone = await prepareAnswers(asked("alone.jsonl"));
    await setting.workerHere("one");
    const memory = fileMemory(folder("queued.jsonl.queue.json"));
    const queued = await linked((link) =>
      prepareAnswers({
        ...asked("queued.jsonl"),
        answer: answersByQueue({ link, model, style: "short-answer", maxTokens: 5, title: "test", memory, ...quick }),
      }),
    );
    expect(queued).toEqual(alone);
    expect(queued.answered).toBeGreaterThan(3);
    expect(await readFile(folder("queued.jsonl"), "utf8")).toBe(await readFile(folder("alone.jsonl"), "utf8"));
  });
});

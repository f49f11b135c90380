import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { attachAdapter } from "../../src/compress/loaded-adapter.ts";
import { compressByQueue } from "../../src/distribute/compress-by-queue.ts";
import { compressFolder } from "../../src/distribute/documents/compress-folder.ts";
import { evalByQueue } from "../../src/distribute/eval-by-queue.ts";
import { type Link, withLink } from "../../src/distribute/link.ts";
import { fileMemory } from "../../src/distribute/run/memory.ts";
import { evaluate } from "../../src/evaluate/run/evaluate.ts";
import { fidelityTask } from "../../src/evaluate/tasks/fidelity.ts";
import { DEFAULT_NEEDLE, needleTask } from "../../src/evaluate/tasks/needle.ts";
import { qualityTask } from "../../src/evaluate/tasks/quality.ts";
import { rulerTask } from "../../src/evaluate/tasks/ruler/task.ts";
import { govreportTask, squalityTask } from "../../src/evaluate/tasks/summaries.ts";
import type { Task } from "../../src/evaluate/tasks/task.ts";
import { createLogger } from "../../src/util/log.ts";
import { CONFIG, jsonLines, ROWS, useRoomyModel } from "../evaluate/tiny-run.ts";
import { randomAdapter } from "../models/random-adapter.ts";
import { hashes, writeDocuments } from "./files.ts";
import { redisServer } from "./redis-server.ts";
import { TOKEN, useSetting } from "./setting.ts";

// A busy machine takes minutes to start a process.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const quick = { pollMilliseconds: 50, retryMilliseconds: 50 };
const SENTENCES = Array.from({ length: 12 }, (_, i) => `Line ${i} tells of ship ${i * 7}.`);
const ARTICLE = SENTENCES.join(" ");
const QUALITY = [2, 4].map((options, i) => ({
  article: `${ARTICLE} ${i}`,
  set_unique_id: `set${i}`,
  questions: [0, 1].map((hard) => ({
    question: "Which ship?",
    question_unique_id: `set${i}-q${hard}`,
    options: ["one", "two", "three", "four"].slice(0, options),
    gold_label: 2,
    difficult: hard,
  })),
}));
const STORY = {
  id: "s",
  context: ARTICLE,
  qas: [{ question: "What happens?", answers: ["A ship sails", "Ships"] }],
};
const REPORTS = [7, 8].map((id) => ({ id, report: `${ARTICLE} ${id}`, summary: "It tells of ships." }));

const lines = (rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

/** Each makes its task from a file, in which the text lies that goes before. */
const TASKS: Readonly<Record<string, readonly [string, (path: string) => Task | Promise<Task>]>> = {
  quality: [lines(QUALITY), (path) => qualityTask([path])],
  needle: [ARTICLE, (path) => needleTask(path, { ...DEFAULT_NEEDLE, lengths: [120], depths: [0, 1], samples: 1 })],
  ruler: ["", () => rulerTask({ tasks: ["niah_single_1", "fwe"], lengths: [860], samples: 1 }, {})],
  squality: [lines([STORY]), (path) => squalityTask([path])],
  govreport: [lines(REPORTS), (path) => govreportTask([path])],
  fidelity: [jsonLines(ROWS), (path) => fidelityTask([path])],
};

describe.skipIf(!redisServer)("by a queue comes out what one machine gives", () => {
  const setting = useSetting();
  const { model } = useRoomyModel(900);
  const at = (name: string): string => join(setting.work(), name);
  const linked = <T>(work: (link: Link) => Promise<T>): Promise<T> =>
    withLink(
      { queue: setting.redis().url, token: TOKEN, store: setting.store() },
      createLogger("silent", () => undefined),
      work,
    );

  test.each(Object.keys(TASKS))("an evaluation of %s", async (name) => {
    const [text, make] = TASKS[name] ?? ["", () => Promise.reject(new Error(name))];
    await writeFile(at(`${name}.txt`), text);
    const task = await make(at(`${name}.txt`));
    const config = { ...CONFIG, methods: ["full", "none", "h2o"], keeps: [0.5] };
    const common = { model: model(), task, config };
    await evaluate({ ...common, out: at(`${name}-alone`) });
    const workers = await Promise.all(["one", "two"].map((own) => setting.workerHere(own, { model: model() })));
    await linked((link) =>
      evaluate({
        ...common,
        out: at(`${name}-queued`),
        measure: evalByQueue({ link, title: "test", shardSize: 1, ...quick }),
      }),
    );
    expect(workers.flatMap(({ done }) => done()).length).toBeGreaterThan(0);
    const read = async (run: string, file: string): Promise<string> =>
      (await readFile(join(at(`${name}-${run}`), file), "utf8")).replaceAll(/"seconds":[\d.e-]+/g, '"seconds":0');
    for (const file of ["samples.jsonl", "kept.jsonl", "predictions.csv"]) {
      const alone = await read("alone", file);
      expect(alone.length).toBeGreaterThan(0);
      expect(await read("queued", file), file).toBe(alone);
    }
    const results = async (run: string): Promise<unknown> => {
      const { results: found } = JSON.parse(await readFile(join(at(`${name}-${run}`), "result.json"), "utf8")) as {
        results: Record<string, unknown>[];
      };
      return found.map(({ seconds: _, secondsPerQuestion: __, ...rest }) => rest);
    };
    expect(await results("queued")).toEqual(await results("alone"));
    expect(await setting.storedRuns()).toEqual([]);
  });

  test.each(["shared", "per-head"] as const)(
    "documents by an adapter of the shipped kind (%s), whole and in folds",
    async (selection) => {
      const own = model();
      const adapter = await attachAdapter(own, randomAdapter(own, selection));
      const from = await writeDocuments(at("to-fold"), {
        "short.txt": "The mill by the river burned in the dry summer.",
        "long.txt": Array.from({ length: 4 }, (_, i) => `${ARTICLE} And then ${i}.`).join(" "),
      });
      for (const fold of [false, 300]) {
        const settings = { keep: 0.25, method: "kv-distill", fold, marked: false, seed: 0 };
        const common = { model: own, adapter, from, settings };
        const alone = at(`alone-${selection}-${fold}`);
        const { lines: expected } = await compressFolder({ ...common, out: alone });
        // What is longer than the model reads is only read in folds.
        expect(expected.map((line) => "failure" in line && line.failure.code)).toEqual([
          fold === false && "context-too-long",
          false,
        ]);
        const worker = await setting.workerHere("one", { model: own });
        const out = at(`queued-${selection}-${fold}`);
        const memory = fileMemory(`${out}.queue.json`);
        const queued = await linked((link) =>
          compressFolder({
            ...common,
            out,
            compress: compressByQueue({ link, title: "test", shardSize: 1, memory, ...quick }),
          }),
        );
        expect(worker.done()).toHaveLength(2);
        await worker.leave();
        expect(queued.lines).toEqual(expected);
        expect(await hashes(out)).toEqual(await hashes(alone));
      }
      adapter.release();
    },
  );
});

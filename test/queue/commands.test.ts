import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { runCli } from "../cli/run-cli.ts";
import { jsonLines, ROWS } from "../evaluate/tiny-run.ts";
import { readRun, tinyConfig, writeTinyData } from "../train/tiny-run.ts";
import { useCommandsHere } from "./commands-here.ts";
import { hashes, writeDocuments } from "./files.ts";
import { killWithResult } from "./in-flight.ts";
import { redisServer } from "./redis-server.ts";
import { type Command, useSetting } from "./setting.ts";

// A busy machine takes minutes to start a process.
vi.setConfig({ testTimeout: 900_000, hookTimeout: 300_000 });

/** Where times, and what tells one machine or command from another, are no results (docs/distributing.md). */
const NO_RESULTS = ["seconds", "secondsPerQuestion", "machine", "command", "finishedAt"];

describe.skipIf(!redisServer)("commands, their workers as commands, and files in S3: the result of one machine", () => {
  const setting = useSetting({ s3: true });
  const { at, link, withQueues } = useCommandsHere(setting);
  beforeAll(async () => {
    await writeFile(at("questions.jsonl"), jsonLines(ROWS));
  });
  const here = async (args: readonly string[]): Promise<void> => {
    expect(await runCli(args)).toMatchObject({ code: 0 });
  };

  /**
   * Sends a command. A worker is killed with -9 when a result of its lies in the store that the queue was not told of; another does the rest.
   * @param skip results before that one
   */
  async function withOneKilled(args: readonly string[], skip: number): Promise<void> {
    const result = setting.s3().hold("PUT", /\/results\//, skip);
    const sent = setting.command([...args, ...link()]);
    const victim = await setting.workerProcess("victim");
    const job = await killWithResult(victim, result);
    const next = await setting.workerHere("next");
    await succeeds(sent);
    expect(next.done()).toContain(job);
    expect(await setting.storedRuns()).toEqual([]);
  }

  test("an evaluation", async () => {
    const task = ["eval", "squad", "--data", at("questions.jsonl"), "--model", setting.modelFolder(), "--threads", "1"];
    const asked = [...task, "--methods", "full,none,streaming,h2o", "--keep", "50%,25%", "--max-new-tokens", "6"];
    await here([...asked, "--out", at("eval-alone")]);
    await withOneKilled([...asked, "--out", at("eval-queued"), "--shard", "40"], 1);
    const names = (await readdir(at("eval-alone"))).sort();
    expect((await readdir(at("eval-queued"))).sort()).toEqual(names);
    expect(names).toEqual(expect.arrayContaining(["samples.jsonl", "result.json", "predictions.csv"]));
    for (const name of names) {
      const [alone, queued] = await Promise.all(["eval-alone", "eval-queued"].map((run) => results(at(run), name)));
      expect(queued, name).toBe(alone);
    }
  });

  test("the model's own answers", async () => {
    const asked = ["prepare", "answers", "--data", at("questions.jsonl"), "--model", setting.modelFolder()];
    await here([...asked, "--threads", "1", "--out", at("answers-alone.jsonl")]);
    await withOneKilled([...asked, "--out", at("answers-queued.jsonl"), "--shard", "40", "--threads", "1"], 1);
    const [alone, queued] = await Promise.all(
      ["alone", "queued"].map((name) => readFile(at(`answers-${name}.jsonl`), "utf8")),
    );
    expect(alone?.trim().split("\n").length).toBeGreaterThan(3);
    expect(queued).toBe(alone);
    const left = (await readdir(setting.work())).filter((name) => name.startsWith("answers-queued"));
    const same = (await readdir(setting.work())).filter((name) => name.startsWith("answers-alone"));
    expect(left.map((name) => name.replace("queued", "alone"))).toEqual(same);
  });

  test("documents, by workers that are stopped by SIGTERM: the jobs in progress go back at once", async () => {
    const texts = Object.fromEntries(ROWS.map(({ context, question }, i) => [`d${i}.txt`, `${context} ${question}`]));
    const from = await writeDocuments(at("documents"), texts);
    const asked = ["compress", from, "--model", setting.modelFolder(), "--threads", "1", "--method", "h2o"];
    await here([...asked, "--keep", "25%", "-o", at("documents-alone")]);
    // One is stopped before its second job's text has come, the other with a result in the store that the queue was not told of.
    const held = [setting.s3().hold("GET", /\/work\//, 1), setting.s3().hold("PUT", /\/results\//, 3)];
    const sent = setting.command([...asked, "--keep", "25%", "-o", at("documents-queued"), "--shard", "1", ...link()]);
    for (const [i, { came }] of held.entries()) {
      const worker = await setting.workerProcess(`leaves-${i}`, { lockSeconds: 60 });
      await came;
      worker.child.kill("SIGTERM");
      expect(await worker.end).toMatchObject({ code: 0 });
      // Not after the silence of its lock, as when it was killed.
      expect(await withQueues(({ jobs }) => jobs.getActiveCount())).toBe(0);
    }
    for (const { release } of held) release();
    await setting.workerHere("stays", { lockSeconds: 60 });
    await succeeds(sent);
    expect(await hashes(at("documents-queued"))).toEqual(await hashes(at("documents-alone")));
    const ended = await withQueues(({ jobs }) => jobs.getCompleted());
    expect(ended.map(({ attemptsMade, stalledCounter }) => [attemptsMade, stalledCounter])).toEqual(
      ROWS.map(() => [1, 0]),
    );
    expect(await setting.storedRuns()).toEqual([]);
  });

  describe("training with gradients", () => {
    const config = tinyConfig({ steps: 4, batch: 2, microBatch: 1 });
    let asked: readonly string[] = [];
    beforeAll(async () => {
      await writeFile(at("config.json"), JSON.stringify(config));
      const data = await writeTinyData(setting.work());
      const settings = ["--config", at("config.json"), "--checkpoint-every", "1", "--threads", "1"];
      asked = ["train", "--data", data, "--model", setting.modelFolder(), ...settings];
      await here([...asked, "--out", at("train-alone")]);
    });
    const expectSame = async (out: string): Promise<void> => {
      const [alone, other] = await Promise.all(["train-alone", out].map((run) => readRun(at(run), config.steps)));
      expect(other?.metrics).toEqual(alone?.metrics);
      expect(other?.state.equals(alone?.state ?? Buffer.alloc(0))).toBe(true);
      expect(await hashes(join(at(out), "adapter"))).toEqual(await hashes(join(at("train-alone"), "adapter")));
      expect(await readdir(at(out))).not.toContain("queue.json");
      expect(await setting.storedRuns()).toEqual([]);
    };

    test("a worker killed with -9 in the middle of a step", async () => {
      // Two jobs a step: this is the second of the second.
      await withOneKilled([...asked, "--out", at("train-killed")], 3);
      await expectSame("train-killed");
    });

    test("the command stopped by Ctrl-C, and later killed with -9, in the middle of a step, and each time resumed", async () => {
      await setting.workerHere("steady");
      const stopped = setting.s3().hold("PUT", /\/results\//, 4);
      const first = setting.command([...asked, "--out", at("train-resumed"), ...link()]);
      await stopped.came;
      first.child.kill("SIGINT");
      expect((await first.end).code).toBe(130);
      stopped.release();
      expect(await checkpoints("train-resumed")).toContain("step-1");

      // The step that was sent before is taken up again: its jobs are not sent anew.
      const killed = setting.s3().hold("PUT", /\/results\//, 1);
      const resume = ["train", "--resume", "--out", at("train-resumed"), "--threads", "1", ...link()];
      const second = setting.command(resume);
      await killed.came;
      second.child.kill("SIGKILL");
      expect((await second.end).code).toBeNull();
      killed.release();
      await succeeds(setting.command(resume));
      await expectSame("train-resumed");
      expect(await withQueues(({ jobs }) => jobs.getJobCountByTypes("waiting", "active", "delayed"))).toBe(0);
    });
    const checkpoints = (run: string): Promise<string[]> => readdir(join(at(run), "checkpoints"));
  });
});

async function succeeds(command: Command): Promise<void> {
  const { code, stderr } = await command.end;
  expect(code, stderr).toBe(0);
}

/** A file of an evaluation without what is no result. */
async function results(folder: string, name: string): Promise<string> {
  const text = await readFile(join(folder, name), "utf8");
  const without = (line: string): string =>
    JSON.stringify(JSON.parse(line, (key, value: unknown) => (NO_RESULTS.includes(key) ? undefined : value)));
  if (name.endsWith(".json")) return without(text);
  return name.endsWith(".jsonl") ? text.replaceAll(/.+/g, without) : text;
}

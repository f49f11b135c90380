import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { type Link, withLink } from "../../src/distribute/link.ts";
import { dilocoHere } from "../../src/distribute/training/diloco-here.ts";
import { trainByQueue } from "../../src/distribute/training/train-by-queue.ts";
import type { TrainConfig } from "../../src/train/config.ts";
import { runTraining, type TrainingRunOptions } from "../../src/train/run.ts";
import { createLogger } from "../../src/util/log.ts";
import { readRun, runOptions, tinyConfig, writeTinyData } from "../train/tiny-run.ts";
import type { QueueStatus } from "../../src/distribute/status/read-status.ts";
import { followTraining } from "../../src/distribute/run/follow-training.ts";
import { runCli } from "../cli/run-cli.ts";
import { errorOf } from "../runtime/expect-error.ts";
import { redisServer } from "./redis-server.ts";
import { TOKEN, useSetting } from "./setting.ts";

// A busy machine takes minutes to start a process.
vi.setConfig({ testTimeout: 900_000, hookTimeout: 300_000 });

const quick = { pollMilliseconds: 50, retryMilliseconds: 50 };
const DILOCO = tinyConfig({
  sync: "diloco",
  parts: 3,
  innerSteps: 2,
  batch: 2,
  microBatch: 2,
  steps: 4,
  deltas: "int8",
});

describe.skipIf(!redisServer)("training by a queue", () => {
  const setting = useSetting();
  const at = (name: string): string => join(setting.work(), name);
  let data: string;
  beforeAll(async () => {
    data = await writeTinyData(setting.work());
  });

  const linked = <T>(work: (link: Link) => Promise<T>): Promise<T> => {
    const log = createLogger("silent", () => undefined);
    return withLink({ queue: setting.redis().url, token: TOKEN, store: setting.store() }, log, work);
  };
  const options = (out: string, config: TrainConfig, changes: Partial<TrainingRunOptions> = {}): TrainingRunOptions =>
    runOptions(setting.model().files, data, at(out), { config, ...changes });
  const byQueue = (
    out: string,
    config: TrainConfig,
    changes: Partial<TrainingRunOptions> = {},
    deadline?: number,
  ): Promise<unknown> =>
    linked((link) => {
      const { files } = setting.model();
      const late = deadline === undefined ? {} : { deadline };
      const loop = trainByQueue({ link, files, out: at(out), title: "test", ...quick, ...late });
      return runTraining(options(out, config, { loop, ...changes }));
    });
  const alone = (out: string, config: TrainConfig): Promise<unknown> =>
    runTraining(options(out, config, { loop: dilocoHere(setting.model().files, at(out), 1) }));

  const withQueues = <T>(work: (queues: Link["queues"]) => Promise<T>): Promise<T> =>
    linked(({ queues }) => work(queues));

  async function expectSame(a: string, b: string, step: number): Promise<void> {
    const [own, other] = [await readRun(at(a), step), await readRun(at(b), step)];
    expect(other.metrics).toEqual(own.metrics);
    expect(other.state.equals(own.state)).toBe(true);
    const checkpoint = (out: string): string => join(at(out), "checkpoints", `step-${step}`);
    const names = (await readdir(checkpoint(a))).filter((name) => name.endsWith(".safetensors"));
    for (const name of names) {
      const [x, y] = await Promise.all([a, b].map((out) => readFile(join(checkpoint(out), name))));
      expect(y?.equals(x ?? Buffer.alloc(0)), name).toBe(true);
    }
    // Nothing is left behind.
    expect(await setting.storedRuns()).toEqual([]);
    expect(await readdir(at(b))).not.toContain("queue.json");
  }

  test("is followed as one run from anywhere, however many rounds it takes", async () => {
    await setting.workerHere("followed");
    const jobs = (...words: readonly string[]) => runCli(["jobs", ...words, "--queue", setting.redis().url]);
    const training = byQueue("followed", tinyConfig({ microBatch: 1, steps: 6 }));
    const rounds = async () => {
      const { runs } = JSON.parse((await jobs("--json")).stdout) as QueueStatus;
      return runs.flatMap(({ round }) => (round === undefined ? [] : [round]));
    };
    await expect.poll(async () => (await rounds()).length, { timeout: 60_000 }).toBeGreaterThan(0);
    const [first] = await rounds();
    expect(first).toMatchObject({ steps: 1, total: 6 });
    const name = first?.training ?? "";
    const steps: number[] = [];
    await withQueues((queues) =>
      followTraining(queues, name, { pollMilliseconds: 20, onProgress: ({ done }) => steps.push(done) }),
    );
    await training;
    expect(steps.length).toBeGreaterThan(2);
    expect(steps).toEqual([...steps].sort((x, y) => x - y));
    expect(steps.at(-1)).toBe(6);
    // The queue remembers how it ended, as it does of every run.
    const shown = await runCli(["jobs", name, "--follow", "--queue", setting.redis().url], { environment: {} });
    expect(shown).toMatchObject({ code: 0, stderr: expect.stringContaining(`${name}: 6/6 steps`) as string });
    expect((await jobs()).stdout).toContain("step 6 of 6");
    expect(await rounds()).toEqual([{ training: name, done: 5, steps: 1, total: 6 }]);
    // A run that does not come is not waited for without an end.
    const gone = withQueues((queues) => followTraining(queues, "training-0123456789ab", { pollMilliseconds: 20 }, 0.1));
    await errorOf(gone, "not-found");
  });

  test("gradients of two workers: the run of one machine, bit for bit", async () => {
    const config = tinyConfig({ microBatch: 1, steps: 3 });
    await runTraining(options("one", config));
    await Promise.all([setting.workerHere("g1"), setting.workerHere("g2")]);
    await byQueue("two", config);
    await expectSame("one", "two", 3);
  });

  test("Redis killed -9 in the middle of a step, twice, and started again: the run of one machine, bit for bit", async () => {
    const config = tinyConfig({ microBatch: 1, steps: 6 });
    await runTraining(options("calm", config));
    await Promise.all([setting.workerHere("g1"), setting.workerHere("g2")]);
    const killed: Promise<void>[] = [];
    const steps: number[] = [];
    const killRedis = async (): Promise<void> => {
      await setting.redis().kill();
      await pause(1000);
      await setting.redis().restart();
    };
    await byQueue("restarted", config, {
      onStep: ({ step }) => {
        steps.push(step);
        // The next step's jobs are sent, or being sent, when it goes.
        if (step === 2 || step === 4) killed.push(pause(step * 20).then(killRedis));
      },
    });
    await Promise.all(killed);
    expect(steps).toEqual([1, 2, 3, 4, 5, 6]);
    await expectSame("calm", "restarted", 6);
  });

  test("rounds of two workers, one killed with -9 while it computes: the run of one machine", async () => {
    const [victim] = await Promise.all([setting.workerProcess("victim"), alone("parts-one", DILOCO)]);
    const run = byQueue("parts-two", DILOCO);
    await victim.tells(/diloco-[0-9a-f]+-\d+ begins/);
    victim.child.kill("SIGKILL");
    await setting.workerHere("d2");
    await run;
    await expectSame("parts-one", "parts-two", 4);
  });

  test("stopped in the middle of a round, a run takes that round up again", async () => {
    const stop = new AbortController();
    const run = byQueue("stopped", DILOCO, { signal: stop.signal });
    // Nobody works: the round waits in the queue.
    await linked(async ({ queues }) => {
      while ((await queues.runs.getWaitingChildrenCount()) === 0) await pause(100);
    });
    stop.abort();
    await run;
    const memory = JSON.parse(await readFile(join(at("stopped"), "queue.json"), "utf8")) as { sent: { run: string } };
    await setting.workerHere("d3");
    let taken = false;
    await linked(async ({ queues }) => {
      for (let i = 0; i < 3000 && !taken; i++) {
        taken = (await (await queues.runs.getJob(memory.sent.run))?.getState()) === "completed";
        if (!taken) await pause(100);
      }
    });
    expect(taken).toBe(true);
    await byQueue("stopped", DILOCO, { resume: true });
    await expectSame("parts-one", "stopped", 4);
  });

  test("the sender killed with -9 in the middle of a round and started again: the run of one machine", async () => {
    const [settings, out] = [at("parts.json"), at("sender-killed")];
    await writeFile(settings, JSON.stringify(DILOCO));
    const link = ["--queue", setting.redis().url, "--store", setting.store(), "--threads", "1"];
    const asked = ["--data", data, "--model", setting.modelFolder(), "--config", settings, "--checkpoint-every", "2"];
    const worker = await setting.workerProcess("d5");
    const first = setting.command(["train", "--out", out, ...asked, ...link]);
    // The first round has three jobs: this is one of the second.
    await worker.tells(/diloco-[0-9a-f]+-\d+ begins/, 4);
    first.child.kill("SIGKILL");
    expect((await first.end).code).toBeNull();
    expect((await readdir(join(out, "checkpoints"))).sort()).toEqual(["step-0", "step-2"]);
    expect(await setting.command(["train", "--resume", "--out", out, ...link]).end).toMatchObject({ code: 0 });
    await expectSame("parts-one", "sender-killed", 4);
  });

  test("a round ends at its deadline with the parts that came", async () => {
    const notes: string[] = [];
    await setting.workerHere("d4");
    await byQueue("deadline", { ...DILOCO, steps: 2 }, { onNote: (line) => notes.push(line) }, 0.001);
    const { metrics } = await readRun(at("deadline"), 2);
    const { parts, dropped } = metrics[1]?.round as { parts: number[]; dropped: { part: number }[] };
    expect(parts.length).toBeGreaterThan(0);
    expect([...parts, ...dropped.map(({ part }) => part)].sort()).toEqual([0, 1, 2]);
    const [scorer, ...late] = notes;
    expect(scorer).toContain("scorer fitted");
    expect(late).toHaveLength(dropped.length);
  });
});

import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { openSafetensors } from "../../src/formats/safetensors/open.ts";
import { followTraining } from "../../src/distribute/run/follow-training.ts";
import { readParameterTensors } from "../../src/train/parameter-file.ts";
import type { QueueStatus } from "../../src/distribute/status/read-status.ts";
import { runCli } from "../cli/run-cli.ts";
import { errorOf } from "../runtime/expect-error.ts";
import { tinyConfig } from "../train/tiny-run.ts";
import { until } from "./documents-run.ts";
import { killRedisWith, killWithResult } from "./in-flight.ts";
import { redisServer } from "./redis-server.ts";
import { useSetting } from "./setting.ts";
import { canMount, withSmallDisk } from "./small-disk.ts";
import { DILOCO, useTraining } from "./training-run.ts";

// A busy machine takes minutes to start a process.
vi.setConfig({ testTimeout: 900_000, hookTimeout: 300_000 });

const RESULT = /\/results\//;
/** Two jobs a step, of one passage each: ten passages make five such steps. */
const GRADIENTS = tinyConfig({ batch: 2, microBatch: 1 });

describe.skipIf(!redisServer)("training by a queue", () => {
  const setting = useSetting({ s3: true });
  const { at, data, linked, byQueue, alone, expectSame: sameRun } = useTraining(setting);
  async function expectSame(expected: string, out: string, step: number): Promise<void> {
    await sameRun(expected, out, step);
    expect(await setting.storedRuns()).toEqual([]);
  }

  test("is followed as one run from anywhere, however many rounds it takes", async () => {
    const jobs = (...words: readonly string[]) => runCli(["jobs", ...words, "--queue", setting.redis().url]);
    const training = byQueue("followed", GRADIENTS);
    const rounds = async () => {
      const { runs } = JSON.parse((await jobs("--json")).stdout) as QueueStatus;
      return runs.flatMap(({ round }) => (round === undefined ? [] : [round]));
    };
    await until(async () => (await rounds()).length > 0);
    const [first] = await rounds();
    expect(first).toMatchObject({ done: 0, steps: 1, total: 6 });
    const name = first?.training ?? "";
    const steps: number[] = [];
    const followed = linked(({ queues }) =>
      followTraining(queues, name, { pollMilliseconds: 20, onProgress: ({ done }) => steps.push(done) }),
    );
    await until(() => steps.length > 0);
    await setting.workerHere("followed");
    await Promise.all([training, followed]);
    expect(steps.length).toBeGreaterThan(2);
    expect(steps).toEqual([...steps].sort((x, y) => x - y));
    expect([steps[0], steps.at(-1)]).toEqual([0, 6]);
    // The queue remembers how it ended, as it does of every run.
    const follow = ["jobs", name, "--follow", "--queue", setting.redis().url, "--json"];
    const shown = await runCli(follow, { environment: {} });
    expect(shown).toMatchObject({ code: 0, stderr: expect.stringContaining(`${name}: 6/6 steps`) as string });
    expect(JSON.parse(shown.stdout)).toMatchObject({ runs: [{ state: "done", round: { training: name, done: 5 } }] });
    expect((await jobs()).stdout).toContain("step 6 of 6");
    expect(await rounds()).toEqual([{ training: name, done: 5, steps: 1, total: 6 }]);
    // A run that does not come is not waited for without an end.
    const gone = linked(({ queues }) => followTraining(queues, "training-0123456789ab", { pollMilliseconds: 20 }, 0.1));
    await errorOf(gone, "not-found");
  });

  test("gradients of two workers: the run of one machine, bit for bit", async () => {
    const config = { ...GRADIENTS, steps: 3 };
    await alone("one", config);
    // The first has not told of its first job before the second has done one.
    const held = setting.s3().hold("PUT", RESULT);
    const [first, run] = [await setting.workerHere("g1"), byQueue("two", config)];
    await held.came;
    const second = await setting.workerHere("g2");
    await until(() => second.done().length > 0);
    held.release();
    await run;
    expect(first.done().length).toBeGreaterThan(0);
    expect(first.done().length + second.done().length).toBe(6);
    await expectSame("one", "two", 3);
  });

  test.skipIf(!canMount)("a full disk at a worker: it leaves the step to others", async () => {
    const config = { ...GRADIENTS, steps: 2 };
    await alone("on-disks", config);
    await withSmallDisk(at("small"), async () => {
      const full = await setting.workerHere("full", { scratch: at("small") });
      const run = byQueue("on-a-full-disk", config);
      await until(() => /full cannot work on it, others may: .*ENOSPC/.test(full.told()));
      await setting.workerHere("roomy");
      await run;
      await expectSame("on-disks", "on-a-full-disk", 2);
      expect(full.done()).toEqual([]);
    });
  });

  test("Redis killed -9 in the middle of a step, twice, and started again: the run of one machine, bit for bit", async () => {
    await alone("calm", GRADIENTS);
    await Promise.all([setting.workerHere("g1"), setting.workerHere("g2")]);
    const killed: Promise<void>[] = [];
    const steps: number[] = [];
    await byQueue("restarted", GRADIENTS, {
      onStep: ({ step }) => {
        steps.push(step);
        if (step !== 2 && step !== 4) return;
        const results = [setting.s3().hold("PUT", RESULT), setting.s3().hold("PUT", RESULT)];
        killed.push(killRedisWith(setting, linked, results));
      },
    });
    await Promise.all(killed);
    expect(killed).toHaveLength(2);
    expect(steps).toEqual([1, 2, 3, 4, 5, 6]);
    await expectSame("calm", "restarted", 6);
  });

  /** docs/scale.md: bytes of tensors, of P parameters and J jobs, with one worker, in a round that is neither the first nor has a checkpoint. */
  test.each([
    ["gradients", { ...GRADIENTS, steps: 3 }, { jobs: 2, result: 4, moments: 0 }],
    ["diloco, float32", { ...DILOCO, steps: 6, deltas: "float32" as const }, { jobs: 3, result: 4, moments: 8 }],
    ["diloco, float16", { ...DILOCO, steps: 6, deltas: "float16" as const }, { jobs: 3, result: 2, moments: 12 }],
  ])(
    "the store takes and gives in a round what the formulas say: %s",
    async (name, config, { jobs, result, moments }) => {
      const { traffic } = setting.s3();
      const out = `bytes-${name}`;
      const ends: number[] = [];
      await setting.workerHere("w");
      await byQueue(out, config, {
        checkpointEvery: 1000,
        between: () => Promise.resolve(void ends.push(traffic.length)),
      });
      const state = await openSafetensors(join(at(out), "checkpoints", `step-${config.steps}`, "state.safetensors"));
      const momenta = await readParameterTensors(state, "first.");
      const parameters = [...momenta.values()].reduce((count, { data }) => count + data.length, 0);
      const round = traffic.slice(ends[0], ends[1]);
      const sum = (method: string, folder: string): number =>
        round.reduce(
          (all, own) => (own.method === method && own.key.includes(folder) ? all + own.tensorBytes : all),
          0,
        );
      const found = {
        senderToStore: sum("PUT", "/work/"),
        storeToWorker: sum("GET", "/work/"),
        workersToStore: sum("PUT", "/results/"),
        resultsRead: sum("GET", "/results/"),
      };
      expect(parameters).toBeGreaterThan(500);
      expect(found).toEqual({
        senderToStore: 4 * parameters,
        storeToWorker: 4 * parameters,
        workersToStore: jobs * (result + moments) * parameters,
        // The sender reads what the jobs came to, the workers read the moments.
        resultsRead: jobs * (result + moments) * parameters,
      });
      const beside = round.filter(({ tensorBytes }) => tensorBytes === 0).reduce((all, { bytes }) => all + bytes, 0);
      console.info(`${name}: P = ${parameters}, ${JSON.stringify({ ...found, beside })} bytes in a round`);
    },
  );

  describe("in rounds", () => {
    test("Redis killed -9 while two workers compute, and started again: the run of one machine", async () => {
      await alone("parts-one", DILOCO);
      await Promise.all([setting.workerHere("d1"), setting.workerHere("d2")]);
      let killed: Promise<void> | undefined;
      await byQueue("parts-restarted", DILOCO, {
        onStep: ({ step }) => {
          if (step !== 2) return;
          const results = [setting.s3().hold("PUT", RESULT), setting.s3().hold("PUT", RESULT)];
          killed = killRedisWith(setting, linked, results);
        },
      });
      expect(killed).toBeDefined();
      await killed;
      await expectSame("parts-one", "parts-restarted", 4);
    });

    test("of two workers one is killed with -9, whose result the queue was not told of: the run of one machine", async () => {
      const result = setting.s3().hold("PUT", RESULT);
      const victim = await setting.workerProcess("victim");
      const run = byQueue("parts-two", DILOCO);
      const job = await killWithResult(victim, result);
      const other = await setting.workerHere("d2");
      await run;
      expect(other.done()).toContain(job);
      await expectSame("parts-one", "parts-two", 4);
    });

    test("workers that come and go between the rounds: the run of one machine", async () => {
      const config = { ...DILOCO, steps: 8 };
      await alone("steady", config);
      const [first] = [await setting.workerHere("first")];
      const came = [first];
      /** What has been done in the round that ends, worker by worker. */
      const shares: number[][] = [];
      const counted = (): void => {
        const before = came.map((_, i) => shares.reduce((sum, share) => sum + (share[i] ?? 0), 0));
        shares.push(came.map(({ done }, i) => done().length - (before[i] ?? 0)));
      };
      const join = async (name: string): Promise<void> => {
        came.push(await setting.workerHere(name));
      };
      await byQueue("come-and-go", config, {
        between: async (step) => {
          counted();
          if (step === 2) await join("second");
          if (step === 4) await Promise.all([first.leave(), join("third")]);
          if (step === 6) {
            await setting.dismiss();
            await join("fourth");
          }
        },
      });
      expect(shares.map((share) => share.reduce((sum, own) => sum + own, 0))).toEqual([3, 3, 3, 3]);
      expect(shares[0]).toEqual([3]);
      expect(shares[2]?.[0]).toBe(0);
      expect(shares[3]).toEqual([0, 0, 0, 3]);
      await expectSame("steady", "come-and-go", 8);
    });

    test("stopped in the middle of a round, a run takes that round up again", async () => {
      const stop = new AbortController();
      const run = byQueue("stopped", DILOCO, { signal: stop.signal });
      // Nobody works: the round waits in the queue.
      await linked(({ queues }) => until(async () => (await queues.runs.getWaitingChildrenCount()) > 0));
      stop.abort();
      await run;
      const memory = JSON.parse(await readFile(join(at("stopped"), "queue.json"), "utf8")) as { sent: { run: string } };
      const worker = await setting.workerHere("d3");
      await linked(({ queues }) =>
        until(async () => (await (await queues.runs.getJob(memory.sent.run))?.getState()) === "completed"),
      );
      expect(worker.done()).toHaveLength(3);
      await byQueue("stopped", DILOCO, { resume: true });
      expect(worker.done()).toHaveLength(6);
      await expectSame("parts-one", "stopped", 4);
    });

    test("the sender killed with -9 in the middle of a round and started again: the run of one machine", async () => {
      const [settings, out] = [at("parts.json"), at("sender-killed")];
      await writeFile(settings, JSON.stringify(DILOCO));
      const link = ["--queue", setting.redis().url, "--store", setting.store(), "--threads", "1"];
      const asked = ["--data", data(), "--model", setting.modelFolder(), "--config", settings];
      const worker = await setting.workerHere("d5");
      // Three parts have two results each: this is the first of the second round.
      const held = setting.s3().hold("PUT", RESULT, 6);
      const first = setting.command(["train", "--out", out, ...asked, "--checkpoint-every", "2", ...link]);
      await held.came;
      first.child.kill("SIGKILL");
      expect((await first.end).code).toBeNull();
      expect(worker.done()).toHaveLength(3);
      held.release();
      expect((await readdir(join(out, "checkpoints"))).sort()).toEqual(["step-0", "step-2"]);
      expect(await setting.command(["train", "--resume", "--out", out, ...link]).end).toMatchObject({ code: 0 });
      // The round that was under way was taken up again.
      expect(worker.done()).toHaveLength(6);
      await expectSame("parts-one", "sender-killed", 4);
    });
  });
});

import { describe, expect, test, vi } from "vitest";
import { LATE } from "../../src/distribute/jobs/payload.ts";
import { RUNS_QUEUE } from "../../src/distribute/redis/queues.ts";
import { runCli } from "../cli/run-cli.ts";
import { openBoard } from "./board.ts";
import { until } from "./documents-run.ts";
import { redisServer } from "./redis-server.ts";
import { useSetting } from "./setting.ts";
import { DILOCO, type RoundLine, useTraining } from "./training-run.ts";

// A busy machine takes minutes to start a process.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

/** Seconds; the part that is to be late takes longer, whatever they are. */
const DEADLINE = 2;
const runOf = (job = ""): string => job.replace(/-\d+$/, "");
const lateIn = (rounds: readonly RoundLine[]): number[][] =>
  rounds.map(({ dropped }) => dropped.map(({ part }) => part));

/** The reference drops the parts that were late, on a busy machine others too: what then comes out is decided. */
describe.skipIf(!redisServer)("a part that misses its round's deadline", () => {
  const setting = useSetting({ s3: true });
  const { linked, byQueue, dropping, rounds, expectSame } = useTraining(setting);

  /** A worker that has computed the first part of the run that is sent, and cannot yet tell of it. */
  async function slowWorker() {
    const held = setting.s3().hold("PUT", /\/results\//);
    const worker = await setting.workerHere("slow", { lockSeconds: 60 });
    const begun = held.came.then(() => / (\S+-\d+) begins/.exec(worker.told())?.[1] ?? "");
    return { worker, begun, release: held.release };
  }

  test("has a result that comes in the next round, and counts in none", async () => {
    const config = { ...DILOCO, steps: 6 };
    const slow = await slowWorker();
    let next = setting.s3().hold("PUT", /nothing/);
    const run = byQueue("late", config, {
      deadline: DEADLINE,
      between: async (step) => {
        if (step === 2)
          next = setting.s3().hold("PUT", new RegExp(`runs/(?!${runOf(await slow.begun)})[^/]+/results/`));
      },
    });
    const job = await slow.begun;
    const quick = await setting.workerHere("quick", { lockSeconds: 60 });
    await until(() => quick.done().some((own) => runOf(own) === runOf(job)));
    // The next round is under way.
    await until(async () => (await linked(({ queues }) => queues.runs.getJobs())).every(({ id }) => id !== runOf(job)));
    await next.came;
    expect(slow.worker.done()).toEqual([]);
    slow.release();
    await until(() => slow.worker.done().includes(job));
    // The queue has taken its end, but for no run.
    const ended = await linked(async ({ queues }) => {
      await until(async () => (await (await queues.jobs.getJob(job))?.getState()) === "completed");
      return queues.jobs.getJob(job);
    });
    expect(ended?.returnvalue).toBeTruthy();
    expect(ended?.parentKey).toBeUndefined();
    next.release();
    await run;
    const told = await rounds("late", 6);
    expect(told[0]?.dropped).toContainEqual({ part: 0, why: LATE.message });
    expect(told).toHaveLength(3);
    await dropping("late-alone", config, lateIn(told));
    await expectSame("late-alone", "late", 6);
    // What it wrote has gone with its round.
    expect(await setting.storedRuns()).not.toContain(runOf(job));
  });

  test("has a result that comes when the run was stopped: it goes on as if none had come", async () => {
    const slow = await slowWorker();
    const stop = new AbortController();
    const notes: string[] = [];
    const run = byQueue("stopped", DILOCO, {
      deadline: DEADLINE,
      signal: stop.signal,
      onNote: (line) => notes.push(line),
      onStep: ({ step }) => {
        if (step === 2) stop.abort();
      },
    });
    const job = await slow.begun;
    const quick = await setting.workerHere("quick", { lockSeconds: 60 });
    await run;
    expect(notes).toContain(`part 0 did not count for steps 1 to 2 and takes them again: ${LATE.message}`);
    // Jobs that nobody had begun went with the round.
    expect(await linked(({ queues }) => queues.jobs.getJobCountByTypes("waiting", "delayed"))).toBe(0);
    await quick.leave();
    expect(await setting.storedRuns()).toEqual([]);
    slow.release();
    await until(() => slow.worker.done().includes(job));
    // It wrote where nobody looks any more.
    expect(await setting.storedRuns()).toEqual([runOf(job)]);
    const link = ["--queue", setting.redis().url, "--store", setting.store()];
    const cleaned = await runCli(["jobs", ...link, "--clean", "--older-than", "0", "--json"]);
    expect(JSON.parse(cleaned.stdout)).toMatchObject({ removed: [{ run: runOf(job) }] });

    await byQueue("stopped", DILOCO, { resume: true });
    const told = await rounds("stopped", 4);
    expect(told[1]?.dropped).toEqual([]);
    await dropping("stopped-alone", DILOCO, lateIn(told));
    await expectSame("stopped-alone", "stopped", 4);
    expect(await setting.storedRuns()).toEqual([]);
  });

  test("is late in the last round: the run ends without it, whoever follows sees that, and nothing is left to be done", async () => {
    const slow = await slowWorker();
    const run = byQueue("last", { ...DILOCO, steps: 2 }, { deadline: DEADLINE });
    const job = await slow.begun;
    await setting.workerHere("quick", { lockSeconds: 60 });
    await run;
    const [told] = await rounds("last", 2);
    expect(told?.dropped).toContainEqual({ part: 0, why: LATE.message });
    expect(await linked(({ queues }) => queues.jobs.getJobCountByTypes("waiting", "delayed"))).toBe(0);
    const followed = await runCli(["jobs", "--queue", setting.redis().url, "--json"]);
    expect(JSON.parse(followed.stdout)).toMatchObject({ runs: [{ run: runOf(job), state: "done", failures: [] }] });
    const board = openBoard(setting.redis().port);
    expect((await board.queue(RUNS_QUEUE)).counts).toMatchObject({ completed: 1, "waiting-children": 0, failed: 0 });
    const shown = await board.flow(runOf(job));
    expect(shown).toMatchObject({ state: "completed", dependencies: { unprocessed: 0, ignored: 0, failed: 0 } });
    expect(shown.children.map(({ id }) => id)).not.toContain(job);
    await board.close();
    slow.release();
    await until(() => slow.worker.done().includes(job));
  });
});

import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { JOBS_QUEUE, RUNS_QUEUE } from "../../src/distribute/redis/queues.ts";
import { endEarly } from "../../src/distribute/run/end-early.ts";
import { type Board, openBoard } from "./board.ts";
import { until, useDocuments } from "./documents-run.ts";
import { redisServer } from "./redis-server.ts";
import { useSetting } from "./setting.ts";

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const COUNT = 4;

describe.skipIf(!redisServer)("bull-board shows the queues", () => {
  const setting = useSetting({ s3: true });
  const { send, same, linked } = useDocuments(setting, COUNT);
  let board: Board;
  beforeAll(() => {
    board = openBoard(setting.redis().port);
  });
  afterAll(() => board.close());

  /** The run that was sent last. */
  async function newest(): Promise<string> {
    const all = await linked(({ queues }) => queues.runs.getJobs());
    return all.sort((a, b) => b.timestamp - a.timestamp)[0]?.id ?? "";
  }

  test("a run that is done, one that has lost a document, one in progress and one that failed", async () => {
    const worker = await setting.workerHere("w", { lockSeconds: 60 });
    await same("done", send("done"));
    const done = await newest();

    // A job whose input stays damaged fails for good.
    const text = setting.s3().hold("GET", /\/work\//);
    const losing = send("lost");
    setting.s3().spoil(new RegExp(await text.came), Infinity);
    text.release();
    const { lines } = await losing.end;
    expect(lines.filter((line) => "failure" in line)).toHaveLength(1);
    const lost = await newest();

    const result = setting.s3().hold("PUT", /\/results\//, 1);
    const sent = send("working");
    const broken = expect(sent.end).rejects.toThrow(/could not be put together.*does not know how a job ended/);
    await result.came;
    await until(() => sent.jobs() === 1);
    const working = await newest();

    const jobs = await board.queue(JOBS_QUEUE);
    expect(jobs.counts).toMatchObject({ completed: 2 * COUNT, failed: 1, active: 1, waiting: COUNT - 2, delayed: 0 });
    expect(jobs).toMatchObject({ hasWorkers: true });
    const [failed, ...more] = (await board.queue(JOBS_QUEUE, "failed")).jobs;
    expect(more).toEqual([]);
    expect(failed).toMatchObject({ name: "compress", attempts: 3, isFailed: true });
    expect(failed?.failedReason).toMatch(/^checksum-mismatch: .*the store holds other bytes/);

    const runs = await board.queue(RUNS_QUEUE);
    expect(runs.counts).toMatchObject({ completed: 2, "waiting-children": 1, failed: 0, active: 0 });
    expect(runs.jobs.map(({ id }) => id).sort()).toEqual([done, lost, working].sort());

    const ended = { unprocessed: 0, failed: 0 };
    expect(await board.flow(done)).toMatchObject({
      state: "completed",
      dependencies: { ...ended, processed: COUNT, ignored: 0 },
    });
    const told = await board.flow(lost);
    expect(told).toMatchObject({ state: "completed", dependencies: { ...ended, processed: COUNT - 1, ignored: 1 } });
    expect(Object.values(told.ignoredChildFailureReasons ?? {})).toEqual([failed?.failedReason]);
    expect(await board.logs(lost)).toEqual(
      [1, 2, 3].map((n) => expect.stringContaining(`failed on w, attempt ${n}: `) as string),
    );
    const progress = await board.flow(working);
    expect(progress).toMatchObject({
      state: "waiting-children",
      dependencies: { processed: 1, unprocessed: COUNT - 1, ignored: 0, failed: 0 },
    });
    const states = ["active", "completed", "waiting", "waiting"];
    expect(progress.children.map(({ state }) => state).sort()).toEqual(states);

    // A run that may not end early and is made to: its results cannot be put together, and it fails with a reason.
    await linked(async ({ queues }) => {
      const job = await queues.runs.getJob(working);
      if (job !== undefined) await endEarly(queues, job);
    });
    await broken;
    const [run] = (await board.queue(RUNS_QUEUE, "failed")).jobs;
    expect(run).toMatchObject({ id: working, isFailed: true });
    expect(run?.failedReason).toMatch(/^bad-argument: .*does not know how a job ended/);
    expect((await board.queue(JOBS_QUEUE)).counts).toMatchObject({ waiting: 0, active: 1, failed: 1 });
    result.release();
    await until(() => worker.done().length === 3 * COUNT - 1 - (COUNT - 2));
    expect(await board.page()).toMatch(/<title>Bull Dashboard<\/title>/);
  });

  test("a job that it does again when its run has ended is done in vain: the caches stay", async () => {
    const worker = await setting.workerHere("w");
    const sent = send("again");
    await same("again", sent);
    const run = await newest();
    const returned = () => linked(async ({ queues }) => (await queues.runs.getJob(run))?.returnvalue as unknown);
    const result = await returned();
    await board.retry(JOBS_QUEUE, `${run}-0`);
    await until(async () => (await board.queue(JOBS_QUEUE)).counts.failed === 1);
    expect((await board.queue(JOBS_QUEUE, "failed")).jobs[0]?.failedReason).toMatch(/^not-found: .*no such file/);
    expect(await returned()).toEqual(result);
    expect(worker.done()).toHaveLength(COUNT);
    await same("again", sent);
  });

  test("a job that has failed for good and that it does again while the run goes on counts once, and the run is whole", async () => {
    const text = setting.s3().hold("GET", /\/work\//);
    const result = setting.s3().hold("PUT", /\/results\//, COUNT - 2);
    const busy = await setting.workerHere("busy", { lockSeconds: 60 });
    const sent = send("second-chance");
    setting.s3().spoil(new RegExp(await text.came), 3);
    text.release();
    await result.came;
    const other = await setting.workerHere("other", { lockSeconds: 60 });
    await until(async () => (await board.queue(JOBS_QUEUE)).counts.failed === 1);
    const [failed] = (await board.queue(JOBS_QUEUE, "failed")).jobs;
    await board.retry(JOBS_QUEUE, failed?.id ?? "");
    await until(() => other.done().includes(failed?.id ?? ""));
    expect(await board.flow(await newest())).toMatchObject({
      state: "waiting-children",
      dependencies: { processed: COUNT - 1, unprocessed: 1, ignored: 0, failed: 0 },
    });
    result.release();
    await same("second-chance", sent);
    expect(busy.done()).toHaveLength(COUNT - 1);
  });

  test("a job that it does again when the results are to be put together is waited for", async () => {
    const outcomes = setting.s3().hold("PUT", /runs\/[^/]+\/[^/]+$/);
    const first = await setting.workerHere("first", { lockSeconds: 60 });
    const sent = send("waited-for");
    await outcomes.came;
    // The run goes back to the queue, and so does a job of it.
    await first.leave();
    outcomes.release();
    const run = await newest();
    await board.retry(JOBS_QUEUE, `${run}-1`);
    const text = setting.s3().hold("GET", /\/work\//);
    const second = await setting.workerHere("second", { lockSeconds: 60 });
    await text.came;
    await until(async () => (await board.flow(run)).state === "waiting-children");
    text.release();
    await same("waited-for", sent);
    expect(second.done()).toEqual([`${run}-1`]);
  });
});

import { setTimeout as pause } from "node:timers/promises";
import { Worker } from "bullmq";
import { describe, expect, test } from "vitest";
import type { ToldRun } from "../../src/cli/jobs/rows.ts";
import { identityOf } from "../../src/distribute/identity.ts";
import { sealJson } from "../../src/distribute/jobs/payload.ts";
import type { Queues } from "../../src/distribute/redis/queues.ts";
import { JOBS_QUEUE, RUNS_QUEUE } from "../../src/distribute/redis/queues.ts";
import { newRunName } from "../../src/distribute/run/run-name.ts";
import { takeFromQueue } from "../../src/distribute/run/take-from-queue.ts";
import type { QueueStatus } from "../../src/distribute/status/read-status.ts";
import { QueueToken } from "../../src/distribute/token.ts";
import { runCli } from "../cli/run-cli.ts";
import { useCommandsHere } from "./commands-here.ts";
import { redisServer } from "./redis-server.ts";
import { TOKEN, useSetting } from "./setting.ts";

const LOOKS = 100;
const JOBS = 6;

describe.skipIf(!redisServer)("a queue in which runs come, fail, end and are taken away", () => {
  const setting = useSetting();
  const { withQueues } = useCommandsHere(setting);

  /** Work that takes no time, so that something ends while somebody looks. */
  async function send(queues: Queues): Promise<string> {
    const token = new QueueToken(TOKEN);
    const run = newRunName("compress");
    const common = { version: 1, run, kind: "compress", identity: await identityOf(setting.model()) };
    const payload = { ...common, id: run, units: JOBS, jobs: JOBS, unit: "documents", title: "restless" };
    const child = (index: number) => {
      const id = `${run}-${index}`;
      const data = sealJson(token, "job", { ...common, id, index, units: 1, names: [`d${index}`], work: {} });
      const opts = { jobId: id, attempts: 3, backoff: { type: "fixed", delay: 5 }, ignoreDependencyOnFailure: true };
      return { name: "compress", queueName: JOBS_QUEUE, data, opts };
    };
    await queues.flows.add({
      ...{ name: "compress", queueName: RUNS_QUEUE, data: sealJson(token, "job", payload), opts: { jobId: run } },
      children: Array.from({ length: JOBS }, (_, index) => child(index)),
    });
    return run;
  }

  test("jobs tells what is there at every look", async () => {
    const connection = { host: "127.0.0.1", port: setting.redis().port, maxRetriesPerRequest: null };
    const work = async (): Promise<object> => {
      await pause(10 * Math.random());
      if (Math.random() < 0.6) throw new Error("engine: the test says no");
      return { payload: "{}", proof: "" };
    };
    const workers = [JOBS_QUEUE, JOBS_QUEUE, RUNS_QUEUE].map((queue) => new Worker(queue, work, { connection }));
    const looking = new AbortController();
    const seen = new Set<string>();
    await withQueues(async (queues) => {
      const restless = async (): Promise<void> => {
        while (!looking.signal.aborted) {
          const run = await send(queues);
          await pause(200 * Math.random());
          await takeFromQueue(queues, run);
        }
      };
      const senders = [restless(), restless(), restless()];
      try {
        for (let look = 0; look < LOOKS; look++) {
          const { code, stdout, stderr } = await runCli(["jobs", "--queue", setting.redis().url, "--json"]);
          expect(code, stderr).toBe(0);
          const { runs, foreign } = JSON.parse(stdout) as QueueStatus & { readonly runs: readonly ToldRun[] };
          expect(foreign).toBe(0);
          for (const { failures, ...run } of runs) {
            seen.add(run.state);
            expect(run).toMatchObject({ title: "restless", jobs: { total: JOBS } });
            const jobs = failures.map(({ job }) => job);
            expect(new Set(jobs).size).toBe(jobs.length);
            for (const failure of failures) {
              seen.add(failure.again ? "again" : "given up");
              expect(failure).toMatchObject({ code: "engine", message: "the test says no" });
            }
          }
        }
      } finally {
        looking.abort();
        await Promise.all(senders);
      }
    });
    await Promise.all(workers.map((worker) => worker.close()));
    expect([...seen].sort()).toEqual(expect.arrayContaining(["again", "done", "given up", "working"]));
  });
});

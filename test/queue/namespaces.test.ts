import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, test, vi } from "vitest";
import { until, useDocuments } from "./documents-run.ts";
import { noNamespaces } from "./far-host.ts";
import { FAR_REDIS, useFarWorkers } from "./far-workers.ts";
import { redisServer } from "./redis-server.ts";
import { useSetting } from "./setting.ts";

// A busy machine takes minutes to start a process.
vi.setConfig({ testTimeout: 900_000, hookTimeout: 300_000 });

/** Longer than a lock (4 s) and than the silence after which a connection is made anew (20 s). */
const CUT_SECONDS = 60;
const COUNT = 24;

const why = noNamespaces();
if (why !== undefined) console.warn(`without far hosts: ${why}`);

describe.skipIf(!redisServer || why !== undefined)("workers as hosts in network namespaces", () => {
  const setting = useSetting({ redis: FAR_REDIS });
  const { send, same } = useDocuments(setting, COUNT);
  const { hosts, workerOn } = useFarWorkers(setting);

  test("one loses its network in the middle of a job: another takes the job, and nothing is counted twice", async () => {
    const [a, b] = hosts();
    const [first, second] = await Promise.all([workerOn(a, "first"), workerOn(b, "second")]);
    const sent = send("two-hosts");
    await first.tells(/-\d+ begins/, 2);
    a.cut();
    const jobs = (worker: typeof first, what: string) =>
      new Set([...worker.told().matchAll(new RegExp(`(\\S+-\\d+) ${what}`, "g"))].map(([, job]) => job));
    await Promise.all([same("two-hosts", sent), pause(CUT_SECONDS * 1000)]);
    const [mine, others] = [jobs(first, "done in"), jobs(second, "done in")];
    expect(mine.size).toBeLessThan(COUNT);
    expect(new Set([...mine, ...others]).size).toBe(COUNT);
    a.mend();
    // It is there again for the next run.
    second.child.kill("SIGKILL");
    await second.end;
    await same("two-hosts-again", send("two-hosts-again"));
  });

  test("the only one loses its network: the run waits, and goes on by itself when it is mended", async () => {
    const [a] = hosts();
    const far = await workerOn(a, "only");
    const sent = send("one-host");
    await far.tells(/-\d+ begins/, 2);
    a.cut();
    await pause(CUT_SECONDS * 1000);
    const before = sent.jobs();
    expect(before).toBeLessThan(COUNT);
    a.mend();
    await until(() => sent.jobs() > before);
    await same("one-host", sent);
  });
});

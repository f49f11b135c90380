import { setTimeout as pause } from "node:timers/promises";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { tinyConfig } from "../train/tiny-run.ts";
import { type FarHost, noNamespaces } from "./far-host.ts";
import { FAR_REDIS, useFarWorkers } from "./far-workers.ts";
import { redisServer } from "./redis-server.ts";
import { type Command, useSetting } from "./setting.ts";
import { DILOCO, useTraining } from "./training-run.ts";

// A busy machine takes minutes to start a process.
vi.setConfig({ testTimeout: 900_000, hookTimeout: 300_000 });

const GRADIENTS = tinyConfig({ batch: 2, microBatch: 1, steps: 4 });
/** Results of the first two steps, or of the first round's parts with their moments. */
const SKIP = { gradients: 2, diloco: 6 };

const why = noNamespaces();
if (why !== undefined) console.warn(`without far hosts: ${why}`);

/** Queue and store are both beyond the network. All cuts last longer than a lock (4 s) and than the silence after which a connection is made anew (20 s). */
describe.skipIf(!redisServer || why !== undefined)("training by workers as hosts in network namespaces", () => {
  const setting = useSetting({ redis: FAR_REDIS, s3: "reachable" });
  const { hosts, workerOn } = useFarWorkers(setting);
  const { byQueue, alone, expectSame } = useTraining(setting);
  beforeAll(async () => {
    await alone("gradients-alone", GRADIENTS);
    await alone("diloco-alone", DILOCO);
  });

  /** The only worker loses its network when a result of its lies in the store; neither it nor the queue has been told of it. */
  async function cutOff(host: FarHost, sync: "gradients" | "diloco", out: string) {
    const result = setting.s3().hold("PUT", /\/results\//, SKIP[sync]);
    const worker = await workerOn(host, "first");
    const steps: number[] = [];
    const config = sync === "gradients" ? GRADIENTS : DILOCO;
    const run = byQueue(out, config, { onStep: ({ step }) => steps.push(step) });
    await result.came;
    host.cut();
    result.release();
    const job = lastOf(worker);
    expect(worker.told()).not.toContain(`${job} done`);
    return { worker, steps, run, job, config };
  }

  test.each([
    ["gradients", 60],
    ["diloco", 30],
  ] as const)("%s: one loses its network for %i s in the middle of a job: another does it", async (sync, seconds) => {
    const [a, b] = hosts();
    const { worker: first, run, job, config } = await cutOff(a, sync, sync);
    const cut = pause(seconds * 1000);
    const second = await workerOn(b, "second");
    await Promise.all([run, cut]);
    expect(first.told()).not.toContain(`${job} done`);
    expect(second.told()).toContain(`${job} done`);
    await expectSame(`${sync}-alone`, sync, config.steps);
    expect(await setting.storedRuns()).toEqual([]);
    a.mend();
    // It is there again for the next run.
    second.child.kill("SIGKILL");
    await second.end;
    await byQueue(`${sync}-again`, config);
    await expectSame(`${sync}-alone`, `${sync}-again`, config.steps);
  });

  test("the only one loses its network: the step waits, and goes on by itself when it is mended", async () => {
    const [a] = hosts();
    const { steps, run, config } = await cutOff(a, "gradients", "waits");
    await pause(30_000);
    expect(steps).toEqual([1]);
    a.mend();
    await run;
    expect(steps).toEqual([1, 2, 3, 4]);
    await expectSame("gradients-alone", "waits", config.steps);
  });
});

function lastOf(worker: Command): string {
  const job = [...worker.told().matchAll(/(\S+-\d+) begins/g)].at(-1)?.[1] ?? "";
  expect(job).not.toBe("");
  return job;
}

import { beforeAll, describe, expect, test, vi } from "vitest";
import { errorOf } from "../runtime/expect-error.ts";
import { tinyConfig } from "../train/tiny-run.ts";
import { until, useDocuments } from "./documents-run.ts";
import { redisServer } from "./redis-server.ts";
import { useSetting } from "./setting.ts";
import { canMount, type SmallDisk, withSmallDisk } from "./small-disk.ts";
import { DILOCO, useTraining } from "./training-run.ts";

// A busy machine takes minutes for what a quiet one does in seconds.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const COUNT = 4;
/** Room for all that a run writes. */
const ROOM = "16m";
const FULL = /cannot work on it, others may: .*ENOSPC/;

describe.skipIf(!redisServer || !canMount)("the disk of the store is full", () => {
  const setting = useSetting();
  const { send, same, linked } = useDocuments(setting, COUNT);
  const { byQueue, alone, expectSame } = useTraining(setting);
  const onSmallDisk = (work: (disk: SmallDisk) => Promise<void>) => withSmallDisk(setting.store(), work, ROOM);
  /** What is to be done lies in the queue. */
  const isSent = () => linked(({ queues }) => until(async () => (await queues.runs.getWaitingChildrenCount()) > 0));

  test("documents that are to be sent: the command ends and says so; with room --resume sends them", async () => {
    await onSmallDisk(async (disk) => {
      await disk.fill();
      const error = await errorOf(send("unsent").end, "disk");
      expect(error.message).toMatch(/ENOSPC.*the disk is full/s);
      expect(await linked(({ queues }) => queues.runs.getJobs())).toEqual([]);
      await disk.free();
      await setting.workerHere("one");
      await same("unsent", send("unsent", { resume: true }));
    });
  });

  test("results of documents: workers say so and wait, no attempt is counted, and with room the run goes on", async () => {
    await onSmallDisk(async (disk) => {
      const sent = send("untaken");
      await isSent();
      await disk.fill();
      const worker = await setting.workerHere("one");
      await until(() => sent.notes.filter((line) => FULL.test(line)).length > 1);
      expect(worker.done()).toEqual([]);
      expect(sent.jobs()).toBe(0);
      await disk.free();
      await same("untaken", sent);
      const ended = await linked(({ queues }) => queues.jobs.getCompleted());
      expect(ended.map(({ attemptsMade }) => attemptsMade)).toEqual(Array(COUNT).fill(1));
    });
  });

  test("results that are to be put together: workers say so and wait, and with room the run ends", async () => {
    await onSmallDisk(async (disk) => {
      await linked(({ queues }) => queues.runs.pause());
      const sent = send("apart");
      await setting.workerHere("one");
      await until(() => sent.jobs() === COUNT);
      await disk.fill();
      await linked(({ queues }) => queues.runs.resume());
      await until(() => sent.notes.some((line) => /one cannot put its results together: .*ENOSPC/.test(line)));
      await disk.free();
      await same("apart", sent);
    });
  });

  describe.each([
    ["gradients", tinyConfig({ batch: 2, microBatch: 1, steps: 4 })],
    ["diloco", DILOCO],
  ])("training with %s", (name, config) => {
    beforeAll(() => alone(`${name}-alone`, config));

    test("results of a round: workers say so and wait, and with room the run goes on", async () => {
      await onSmallDisk(async (disk) => {
        const notes: string[] = [];
        const run = byQueue(`${name}-untaken`, config, { onNote: (line) => notes.push(line) });
        await isSent();
        await disk.fill();
        await setting.workerHere("one");
        await until(() => notes.some((line) => FULL.test(line)));
        await disk.free();
        await run;
        await expectSame(`${name}-alone`, `${name}-untaken`, config.steps);
        expect(await setting.storedRuns()).toEqual([]);
      });
    });

    test("a round that is to be sent: the command ends and says so, and --resume with room goes on", async () => {
      await onSmallDisk(async (disk) => {
        await setting.workerHere("one");
        const out = `${name}-unsent`;
        const run = byQueue(out, config, { between: (step) => (step === 2 ? disk.fill() : Promise.resolve()) });
        expect((await errorOf(run, "disk")).message).toMatch(/ENOSPC.*the disk is full/s);
        await disk.free();
        await byQueue(out, config, { resume: true });
        await expectSame(`${name}-alone`, out, config.steps);
        expect(await setting.storedRuns()).toEqual([]);
      });
    });
  });
});

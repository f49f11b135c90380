import { describe, expect, test, vi } from "vitest";
import { tinyConfig } from "../train/tiny-run.ts";
import { versityServer } from "../distribute/versity-server.ts";
import { useDocuments } from "./documents-run.ts";
import { redisServer } from "./redis-server.ts";
import { useSetting } from "./setting.ts";
import { DILOCO, useTraining } from "./training-run.ts";

// A busy machine takes minutes to start a process.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const COUNT = 24;

describe.skipIf(!redisServer || !versityServer)("files in a real S3 server", () => {
  const setting = useSetting({ s3: "real" });
  const { send, same } = useDocuments(setting, COUNT);
  const { byQueue, alone, expectSame } = useTraining(setting);

  test("documents by two worker processes, one of which is killed with -9: the bytes of one machine", async () => {
    const [victim, other] = await Promise.all(["victim", "other"].map((name) => setting.workerProcess(name)));
    const sent = send("real");
    await victim?.tells(/ done in /);
    victim?.child.kill("SIGKILL");
    await victim?.end;
    await same("real", sent);
    expect(other?.told()).toMatch(/ done in /);
  });

  test.each([
    ["gradients", tinyConfig({ sync: "gradients", microBatch: 1, batch: 2, steps: 3 })],
    ["diloco", DILOCO],
  ])("training with %s by two workers: the run of one process, bit for bit", async (name, config) => {
    await alone(`${name}-alone`, config);
    const workers = [await setting.workerHere("one"), await setting.workerHere("two")];
    await byQueue(name, config);
    await expectSame(`${name}-alone`, name, config.steps);
    expect(workers.flatMap((worker) => worker.done())).toHaveLength(6);
    expect(await setting.storedRuns()).toEqual([]);
  });
});

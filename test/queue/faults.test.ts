import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { LanguageModel } from "../../src/models/language-model.ts";
import { createRuntime } from "../../src/runtime/runtime.ts";
import { until, useDocuments } from "./documents-run.ts";
import { killRedisWith, killWithResult } from "./in-flight.ts";
import { redisServer } from "./redis-server.ts";
import { copyPackage, useSetting } from "./setting.ts";
import { canMount, withSmallDisk } from "./small-disk.ts";
import { startProxy } from "./tcp-proxy.ts";

const COUNT = 8;
const RESULT = /\/results\//;

describe.skipIf(!redisServer)("a run ends with the same bytes", () => {
  const setting = useSetting({ s3: true });
  const { send, same, linked } = useDocuments(setting, COUNT);
  const folder = (name: string): string => join(setting.work(), name);

  /** How many jobs workers have, of how many that are not done. */
  const open = () =>
    linked(async ({ queues }) => {
      const { active = 0, waiting = 0, delayed = 0 } = await queues.jobs.getJobCounts("active", "waiting", "delayed");
      return { active, all: active + waiting + delayed };
    });

  test("workers killed -9: with a text, with a result that nobody was told of, and while the run is put together", async () => {
    const text = setting.s3().hold("GET", /\/work\//);
    const sent = send("killed");
    const first = await setting.workerProcess("first");
    const begun = await killWithResult(first, text);

    const result = setting.s3().hold("PUT", RESULT, 2);
    const second = await setting.workerProcess("second");
    const made = await killWithResult(second, result);
    expect(await open()).toMatchObject({ all: COUNT - 2 });

    const outcomes = setting.s3().hold("PUT", /runs\/[^/]+\/[^/]+$/);
    const third = await setting.workerProcess("third");
    await outcomes.came;
    third.child.kill("SIGKILL");
    await third.end;
    outcomes.release();
    expect(third.told()).toContain("its results are put together");
    expect(third.told()).not.toContain("jobs have ended");
    for (const job of [begun, made]) expect(second.told() + third.told()).toContain(`${job} done`);
    const fourth = await setting.workerHere("fourth");
    await same("killed", sent);
    expect(fourth.told()).toContain("jobs have ended");
  });

  test("Redis killed -9 and started again from its append-only file", async () => {
    await setting.workerHere("one");
    const result = setting.s3().hold("PUT", RESULT, 2);
    const sent = send("restarted");
    await result.came;
    expect(await open()).toEqual({ active: 1, all: COUNT - 2 });
    await killRedisWith(setting, linked, [result]);
    await same("restarted", sent);
  });

  test("workers stopped by SIGTERM while Redis is gone, one of them at work: they end, and the run goes on when it is there", async () => {
    const result = setting.s3().hold("PUT", RESULT);
    const busy = await setting.workerProcess("busy");
    const sent = send("stopped");
    await result.came;
    const idle = await setting.workerProcess("idle");
    await until(() => sent.jobs() === COUNT - 1);
    expect(await open()).toEqual({ active: 1, all: 1 });
    await setting.redis().kill();
    idle.child.kill("SIGTERM");
    expect((await idle.end).code).toBe(0);
    await busy.tells(/the queue does not answer/);
    busy.child.kill("SIGTERM");
    expect((await busy.end).code).toBe(0);
    result.release();
    await setting.redis().restart();
    const other = await setting.workerHere("other");
    await same("stopped", sent);
    expect(other.done()).toHaveLength(1);
  });

  test("the network cut for longer than a lock lasts: another takes the job, and nothing is counted twice", async () => {
    const proxy = await startProxy(setting.redis().port);
    const result = setting.s3().hold("PUT", RESULT, 1);
    const far = await setting.workerHere("far", { queue: proxy.url });
    const sent = send("cut");
    await result.came;
    proxy.cut();
    const near = await setting.workerHere("near");
    // All but the one that the other has; and that one too, when its lock has run out.
    await until(() => sent.jobs() === COUNT);
    expect(near.done()).toHaveLength(COUNT - 1);
    result.release();
    proxy.mend();
    await same("cut", sent);
    expect(far.done().filter((job) => !near.done().includes(job))).toHaveLength(1);
    proxy.close();
  });

  test.skipIf(!canMount)("a full disk at a worker: it says so and leaves the jobs to others", async () => {
    const small = folder("small");
    await withSmallDisk(small, async () => {
      await setting.workerHere("full", { scratch: small });
      const sent = send("full-disk");
      await until(() => sent.notes.length > 0);
      expect(sent.notes[0]).toMatch(/full cannot work on it, others may: .*ENOSPC/);
      expect(sent.jobs()).toBe(0);
      await setting.workerHere("roomy");
      await same("full-disk", sent);
    });
  });

  test("workers of another package, another model and another number of threads refuse by name; the job waits for one that fits", async () => {
    const other = await copyPackage(folder("other-package"));
    await writeFile(join(other, "src/index.ts"), "// another\n", { flag: "a" });

    const sent = send("refused");
    await setting.workerProcess("alien", { package: other });
    await setting.workerHere("stranger", { model: setting.otherModel() });
    const { files } = setting.model();
    const wide = new LanguageModel(files, await createRuntime({ threads: 2 }));
    await setting.workerHere("wide", { model: wide });
    await until(() => ["alien", "stranger", "wide"].every((name) => sent.notes.some((line) => line.startsWith(name))));
    expect(sent.notes.find((line) => line.startsWith("alien"))).toMatch(
      /refuses the run: package: the run has kv-distill/,
    );
    expect(sent.notes.find((line) => line.startsWith("stranger"))).toMatch(
      /refuses the run: model: the run has .*this is/,
    );
    expect(sent.notes.find((line) => line.startsWith("wide"))).toBe(
      "wide refuses the run: threads: the run computes with 1, this with 2, and sums would differ: give both the same --threads",
    );
    expect(sent.jobs()).toBe(0);
    await setting.workerHere("fitting");
    await same("refused", sent);
    await setting.dismiss();
    await wide.close();
  });

  test("a worker with another token refuses, and the run waits for one with the right one", async () => {
    await setting.workerHere("wrong", { token: "f".repeat(32) });
    const sent = send("wrong-token");
    await until(() => sent.notes.length > 0);
    expect(sent.notes[0]).toMatch(/^wrong refuses .*no proof made with this token/);
    await setting.workerHere("right");
    await same("wrong-token", sent);
  });
});

import { spawnSync } from "node:child_process";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { until, useDocuments } from "./documents-run.ts";
import { redisServer } from "./redis-server.ts";
import { copyPackage, useSetting } from "./setting.ts";
import { startProxy } from "./tcp-proxy.ts";

const isRoot = process.getuid?.() === 0;
const can = (command: string, ...args: string[]): boolean => isRoot && spawnSync(command, args).status === 0;

describe.skipIf(!redisServer)("a run ends with the same bytes", () => {
  const setting = useSetting();
  const { send, same } = useDocuments(setting, 8);
  const folder = (name: string): string => join(setting.work(), name);

  test("workers killed -9: at work, with results that nobody was told of, and while the run is put together", async () => {
    const sent = send("killed");
    const first = await setting.workerProcess("first");
    await first.tells(/-\d+ begins/);
    first.child.kill("SIGKILL");

    const proxy = await startProxy(setting.redis().port);
    const second = await setting.workerProcess("second", { queue: proxy.url });
    await second.tells(/-\d+ begins/, 2);
    proxy.cut();
    const results = join(await sent.runFolder(), "results");
    const before = sent.jobs();
    await until(async () => (await readdir(results).catch(() => [])).length > before);
    second.child.kill("SIGKILL");
    proxy.close();

    const third = await setting.workerProcess("third");
    await third.tells(/its results are put together/);
    third.child.kill("SIGKILL");
    await setting.workerHere("fourth");
    await same("killed", sent);
  });

  test("Redis killed -9 and started again from its append-only file", async () => {
    await setting.workerHere("one");
    const sent = send("restarted");
    await until(() => sent.jobs() >= 2);
    await setting.redis().kill();
    await pause(1500);
    await setting.redis().restart();
    await same("restarted", sent);
  });

  test("workers stopped by SIGTERM while Redis is gone, one of them at work: they end, and the run goes on when it is there", async () => {
    const [idle, busy] = await Promise.all([setting.workerProcess("idle"), setting.workerProcess("busy")]);
    const sent = send("stopped");
    await busy.tells(/-\d+ begins/);
    await setting.redis().kill();
    idle.child.kill("SIGTERM");
    expect((await idle.end).code).toBe(0);
    // Its connections wait for their next try by now.
    await pause(1000);
    busy.child.kill("SIGTERM");
    expect((await busy.end).code).toBe(0);
    await setting.redis().restart();
    await setting.workerHere("other");
    await same("stopped", sent);
  });

  test("the network cut for longer than a lock lasts: another takes the job, and nothing is counted twice", async () => {
    const proxy = await startProxy(setting.redis().port);
    await setting.workerHere("far", { queue: proxy.url });
    const sent = send("cut");
    await until(() => sent.jobs() >= 1);
    proxy.cut();
    await pause(6000);
    await setting.workerHere("near");
    await until(() => sent.jobs() >= 6);
    proxy.mend();
    await same("cut", sent);
    proxy.close();
  });

  test.skipIf(!can("mount", "--version"))(
    "a full disk at a worker: it says so and leaves the jobs to others",
    async () => {
      const small = folder("small");
      await mkdir(small);
      expect(spawnSync("mount", ["-t", "tmpfs", "-o", "size=4k", "tmpfs", small]).status).toBe(0);
      try {
        await setting.workerHere("full", { scratch: small });
        const sent = send("full-disk");
        await until(() => sent.notes.length > 0);
        expect(sent.notes[0]).toMatch(/full cannot work on it, others may: .*ENOSPC/);
        expect(sent.jobs()).toBe(0);
        await setting.workerHere("roomy");
        await same("full-disk", sent);
      } finally {
        spawnSync("umount", ["-l", small]);
      }
    },
  );

  test("workers of another package and another model refuse by name; the job waits for one that fits", async () => {
    const other = await copyPackage(folder("other-package"));
    await writeFile(join(other, "src/index.ts"), "// another\n", { flag: "a" });

    const sent = send("refused");
    await setting.workerProcess("alien", { package: other });
    await setting.workerHere("stranger", { model: setting.otherModel() });
    await until(() => ["alien", "stranger"].every((name) => sent.notes.some((line) => line.startsWith(name))));
    expect(sent.notes.find((line) => line.startsWith("alien"))).toMatch(
      /refuses the run: package: the run has kv-distill/,
    );
    expect(sent.notes.find((line) => line.startsWith("stranger"))).toMatch(
      /refuses the run: model: the run has .*this is/,
    );
    expect(sent.jobs()).toBe(0);
    await setting.workerHere("fitting");
    await same("refused", sent);
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

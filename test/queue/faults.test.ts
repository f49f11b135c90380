import { spawnSync } from "node:child_process";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { compressByQueue } from "../../src/distribute/compress-by-queue.ts";
import { type CompressedFolder, compressFolder } from "../../src/distribute/documents/compress-folder.ts";
import { withLink } from "../../src/distribute/link.ts";
import { fileMemory } from "../../src/distribute/run/memory.ts";
import { createLogger } from "../../src/util/log.ts";
import { hashes, writeDocuments } from "./files.ts";
import { redisServer } from "./redis-server.ts";
import { copyPackage, TOKEN, useSetting } from "./setting.ts";
import { startProxy } from "./tcp-proxy.ts";

const isRoot = process.getuid?.() === 0;
const can = (command: string, ...args: string[]): boolean => isRoot && spawnSync(command, args).status === 0;

describe.skipIf(!redisServer)("a run ends with the same bytes", () => {
  const setting = useSetting();
  const WORDS = "The mill by the river burned in the dry summer and was built again of grey stone.".split(" ");
  const DOCUMENTS = Object.fromEntries(
    Array.from({ length: 8 }, (_, i) => [
      `d${i}.txt`,
      Array.from({ length: 40 + 5 * i }, (_, j) => WORDS[(i + j * (i + 1)) % WORDS.length]).join(" "),
    ]),
  );
  const settings = { keep: 0.25, method: "h2o", fold: false, marked: false, seed: 0 } as const;
  let expected: Readonly<Record<string, string>> = {};

  const folder = (name: string): string => join(setting.work(), name);
  beforeAll(async () => {
    const from = await writeDocuments(folder("documents"), DOCUMENTS);
    await compressFolder({ model: setting.model(), from, out: folder("alone"), settings });
    expected = await hashes(folder("alone"));
  });

  interface Sent {
    readonly notes: string[];
    readonly jobs: () => number;
    /** The run's folder in the store, when it is there. */
    readonly runFolder: () => Promise<string>;
    readonly end: Promise<CompressedFolder>;
  }
  /** Sends one job for each document. */
  function send(name: string): Sent {
    const notes: string[] = [];
    let ended = 0;
    const log = createLogger("silent", () => undefined);
    const memory = fileMemory(folder(`${name}.queue.json`));
    const link = { queue: setting.redis().url, token: TOKEN, store: setting.store() };
    const end = withLink(link, log, (own) =>
      compressFolder({
        model: setting.model(),
        from: folder("documents"),
        out: folder(name),
        settings,
        compress: compressByQueue({
          link: own,
          title: name,
          shardSize: 1,
          memory,
          pollMilliseconds: 100,
          retryMilliseconds: 100,
          onNote: (line) => notes.push(line),
          onProgress: ({ done }) => (ended = done),
        }),
      }),
    );
    const runFolder = async (): Promise<string> => {
      for (;;) {
        const run = await memory.recall();
        if (run !== undefined) return join(setting.store(), "runs", run.run);
        await pause(20);
      }
    };
    return { notes, jobs: () => ended, runFolder, end };
  }
  async function until(what: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await what())) await pause(20);
  }
  async function same(name: string, { end }: Sent): Promise<void> {
    const { lines } = await end;
    expect(lines.map((line) => line.document)).toEqual(Object.keys(DOCUMENTS));
    expect(await hashes(folder(name))).toEqual(expected);
    expect(await readdir(join(setting.store(), "runs"))).toEqual([]);
  }

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
    await setting.workerHere("stranger", { otherModel: true });
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

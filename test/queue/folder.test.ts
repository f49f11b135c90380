import { mkdir, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Queue } from "bullmq";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RUN_NAME } from "../../src/distribute/jobs/payload.ts";
import { type CliRun, runCli } from "../cli/run-cli.ts";
import { hashes, writeDocuments } from "./files.ts";
import { redisServer } from "./redis-server.ts";
import { TOKEN, useSetting } from "./setting.ts";

const WORDS = "The mill by the river burned in the dry summer and was built again of stone.".split(" ");
const DOCUMENTS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    Array.from({ length: 6 }, (_, i) => [
      i % 2 === 0 ? `d${i}.txt` : `deep/er/d${i}.md`,
      Array.from({ length: 20 + 7 * i }, (_, j) => WORDS[(i + j * (i + 1)) % WORDS.length]).join(" "),
    ]),
  ),
  "blank.txt": "  \n",
  "too-long.txt": "word ".repeat(900),
  "picture.png": "no text",
};

describe.skipIf(!redisServer)("commands and a password", () => {
  const setting = useSetting({ redis: ["--requirepass", "open sesame"] });
  let before: NodeJS.ProcessEnv;
  beforeAll(async () => {
    before = { ...process.env };
    process.env.KV_DISTILL_HOME = join(setting.work(), "home");
    process.env.KV_DISTILL_QUEUE_TOKEN = TOKEN;
    await writeDocuments(join(setting.work(), "documents"), DOCUMENTS);
  });
  afterAll(() => {
    process.env = before;
  });

  const link = (): string[] => ["--queue", setting.redis().url, "--store", setting.store()];
  async function clean(days?: string): Promise<unknown> {
    const older = days === undefined ? [] : ["--older-than", days];
    return (
      JSON.parse((await runCli(["jobs", ...link(), "--clean", ...older, "--json"])).stdout) as { removed: unknown }
    ).removed;
  }
  function compress(out: string, ...extra: string[]): Promise<CliRun> {
    const own = ["--keep", "25%", "--method", "h2o", "--model", setting.modelFolder(), "--threads", "1", "--json"];
    return runCli(["compress", join(setting.work(), "documents"), "-o", join(setting.work(), out), ...own, ...extra]);
  }

  test("a folder of documents becomes the same folder of caches here and by a queue; jobs tells of it", async () => {
    const alone = await compress("alone");
    expect(alone.code).toBe(1);
    expect(JSON.parse(alone.stdout)).toMatchObject({ documents: 8, compressed: 6, failed: 2 });
    expect(alone.stderr).toMatch(/1 files are no texts/);
    expect(alone.stderr).toMatch(/blank\.txt: .*empty.*too-long\.txt: /s);

    await setting.workerHere("w1");
    await setting.workerHere("w2");
    const queued = await compress("queued", ...link(), "--shard", "300");
    expect(queued.code).toBe(1);
    expect(JSON.parse(queued.stdout)).toMatchObject({ documents: 8, compressed: 6, failed: 2 });
    expect(await hashes(join(setting.work(), "queued"))).toEqual(await hashes(join(setting.work(), "alone")));
    const names = (await readdir(join(setting.work(), "queued"), { recursive: true })).filter((name) =>
      name.endsWith("d"),
    );
    expect(names.sort()).toEqual(
      ["d0", "d2", "d4"]
        .map((name) => `${name}.txt.kvd`)
        .concat(["d1", "d3", "d5"].map((name) => `deep/er/${name}.md.kvd`)),
    );

    const again = await compress("queued", ...link(), "--resume");
    expect(JSON.parse(again.stdout)).toMatchObject({ documents: 8, compressed: 0, before: 6, failed: 2 });
    expect(await hashes(join(setting.work(), "queued"))).toEqual(await hashes(join(setting.work(), "alone")));
    expect(await setting.storedRuns()).toEqual([]);

    const status = JSON.parse((await runCli(["jobs", "--queue", setting.redis().url, "--json"])).stdout) as {
      runs: readonly { run: string; jobs: object; failures: readonly object[] }[];
      workers: readonly { name: string }[];
    };
    expect(status.workers.map(({ name }) => name)).toEqual(["w1", "w2"]);
    // The same two fail in both runs, each for good at its first attempt.
    const failures = ["blank.txt", "too-long.txt"].map((name) => ({
      names: [name],
      units: 1,
      attempts: 1,
      again: false,
    }));
    const common = { kind: "compress", state: "done", unit: "documents" };
    for (const [i, units] of [2, 8].entries()) {
      expect(status.runs[i]).toMatchObject({ ...common, units });
      expect(status.runs[i]?.failures).toHaveLength(2);
      expect(status.runs[i]?.failures).toEqual(
        expect.arrayContaining(failures.map((one) => expect.objectContaining(one) as object)),
      );
    }
    const run = status.runs[0]?.run ?? "";
    expect(run).toMatch(RUN_NAME);
    const shown = await runCli(["jobs", run, "--queue", setting.redis().url, "--follow"]);
    expect(shown.stdout).toMatch(new RegExp(`${run}.*compress.*done`));
    expect(shown.stdout).not.toMatch(/sesame|0123456789abcdef/);
  });

  test("a run can be taken from the queue, and BullMQ's own tools see it before", async () => {
    const sent = compress("cancelled", ...link(), "--shard", "1");
    const connection = { host: "127.0.0.1", port: setting.redis().port, password: "open sesame" };
    const [jobs, runs] = ["kv-distill", "kv-distill-runs"].map((name) => new Queue(name, { connection })) as [
      Queue,
      Queue,
    ];
    while ((await runs.getJobs()).length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
    const [parent] = await runs.getJobs(["waiting-children"]);
    const waiting = await jobs.getJobs(["waiting"]);
    expect(waiting.length).toBe(8);
    expect(waiting[0]).toMatchObject({
      name: "compress",
      data: { payload: expect.any(String) as unknown, proof: expect.any(String) as unknown },
    });
    expect(waiting.every((job) => job.parent?.id === parent?.id)).toBe(true);
    // Nothing of the documents is in Redis.
    expect(JSON.stringify(waiting)).not.toMatch(/river/);
    const run = parent?.id ?? "";
    const folder = join(setting.store(), "runs", run);
    // What the waiting jobs read stays, however old it is.
    expect(await clean("0")).toEqual([]);
    expect((await readdir(folder, { recursive: true })).length).toBeGreaterThan(8);
    const cancelled = await runCli(["jobs", run, ...link(), "--cancel", "--json"]);
    expect(cancelled.code).toBe(0);
    expect(JSON.parse(cancelled.stdout)).toEqual({ cancelled: run, jobsBeingDone: 0, filesRemoved: true });
    expect(await setting.storedRuns()).toEqual([]);
    const { code, stderr } = await sent;
    expect(code).toBe(1);
    expect(stderr).toMatch(/the queue has forgotten the run/);
    expect(await jobs.getJobs()).toEqual([]);
    await Promise.all([jobs.close(), runs.close()]);
  });

  test("what runs left in the store that the queue has forgotten is removed, and nothing else", async () => {
    const runs = join(setting.store(), "runs");
    const write = async (run: string, daysAgo: number): Promise<void> => {
      for (const [name, days] of [
        ["work/a.json", daysAgo + 5],
        ["results/b.json", daysAgo],
      ] as const) {
        const path = join(runs, run, name);
        await mkdir(dirname(path), { recursive: true });
        await writeFile(path, "12345");
        await utimes(path, new Date(), new Date(Date.now() - days * 24 * 3600 * 1000));
      }
    };
    const [old, young, known, named, foreign] = [
      ...["old", "young", "known", "named"].map((_, i) => `eval-00000000000${i}`),
      "not-a-run",
    ] as [string, string, string, string, string];
    for (const run of [old, known, named, foreign]) await write(run, 9);
    await write(young, 3);
    const connection = { host: "127.0.0.1", port: setting.redis().port, password: "open sesame" };
    const queues = ["kv-distill-runs", "kv-distill"].map((name) => new Queue(name, { connection }));
    await queues[0]?.add("eval", {}, { jobId: known });
    await queues[1]?.add("eval", { payload: JSON.stringify({ state: { key: `runs/${named}/results/b.json` } }) });
    await Promise.all(queues.map((queue) => queue.close()));

    expect(await clean()).toMatchObject([{ run: old, files: 2, bytes: 10 }]);
    expect((await readdir(runs)).sort()).toEqual([known, named, foreign, young].sort());
    expect(await clean("0")).toMatchObject([{ run: young }]);
    expect((await readdir(runs)).sort()).toEqual([known, named, foreign].sort());
    expect((await runCli(["jobs", "--queue", setting.redis().url, "--clean"])).stderr).toMatch(/--store/);
    await rm(runs, { recursive: true });
  });

  test("a wrong password and a server that is not there are told at once, without secrets", async () => {
    const wrong = await compress(
      "wrong",
      "--queue",
      `redis://:guess@127.0.0.1:${setting.redis().port}`,
      "--store",
      setting.store(),
    );
    expect(wrong).toMatchObject({ code: 1, stdout: "" });
    expect(wrong.stderr).toMatch(/the queue cannot be reached/);
    expect(wrong.stderr).not.toMatch(/guess/);
    const none = await runCli(["jobs", "--queue", "redis://127.0.0.1:1", "--json"]);
    expect(JSON.parse(none.stderr.trim().split("\n").at(-1) ?? "")).toMatchObject({ error: { code: "network" } });
  });

  test("what a run's record says of the command holds no secret", async () => {
    const { typedCommand } = await import("../../src/cli/typed-command.ts");
    expect(typedCommand(["eval", "--token", "abc", "--queue", "rediss://u:pw@h:1/2", "--token=def"])).toBe(
      "kv-distill eval --token *** --queue rediss://***@h:1/2 --token=***",
    );
    expect(await readFile(join(setting.work(), "alone", "documents.jsonl"), "utf8")).not.toMatch(/river/);
  });
});

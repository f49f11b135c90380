import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test, vi } from "vitest";
import type { ToldRun } from "../../src/cli/jobs/rows.ts";
import { identityOf } from "../../src/distribute/identity.ts";
import { sealJson } from "../../src/distribute/jobs/payload.ts";
import type { QueueStatus } from "../../src/distribute/status/read-status.ts";
import { QueueToken } from "../../src/distribute/token.ts";
import type { SampleRow } from "../../src/evaluate/run/sample-row.ts";
import type { LanguageModel } from "../../src/models/language-model.ts";
import { KvDistillError } from "../../src/util/errors.ts";
import { type CliRun, runCli } from "../cli/run-cli.ts";
import { jsonLines, ROWS } from "../evaluate/tiny-run.ts";
import { until } from "./documents-run.ts";
import { useCommandsHere } from "./commands-here.ts";
import { hashes, writeDocuments } from "./files.ts";
import { redisServer } from "./redis-server.ts";
import { type Command, TOKEN, useSetting } from "./setting.ts";

// A busy machine takes minutes to start a process.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });

const DOCUMENTS: Readonly<Record<string, string>> = {
  "always.txt": "A cursed text that no machine can read.",
  "blank.txt": " \n",
  "fine.txt": "The mill by the river burned in the dry summer.",
  "once.txt": "It was built again of grey stone, and stands.",
};

describe.skipIf(!redisServer)("what fails, and what should", () => {
  const setting = useSetting({ s3: true });
  const { at, link, withQueues } = useCommandsHere(setting);
  beforeAll(async () => {
    await writeDocuments(at("documents"), DOCUMENTS);
    await writeFile(at("questions.jsonl"), jsonLines(ROWS));
  });
  const compress = (out: string, ...extra: string[]): Promise<CliRun> => {
    const own = ["--keep", "25%", "--method", "h2o", "--model", setting.modelFolder(), "--threads", "1", "--json"];
    return runCli(["compress", at("documents"), "-o", at(out), ...own, ...extra]);
  };
  async function jobs(...words: string[]): Promise<readonly ToldRun[]> {
    const { code, stdout, stderr } = await runCli(["jobs", ...words, "--queue", setting.redis().url, "--json"]);
    expect(code, stderr).toBe(0);
    return (JSON.parse(stdout) as { runs: readonly ToldRun[] }).runs;
  }

  test("a document that fails once is there once; one that always fails is tried three times, then listed by jobs", async () => {
    await compress("alone");
    await setting.workerHere("w", { model: failing(setting.model(), { cursed: Infinity, grey: 1 }) });
    const sent = compress("queued", ...link());
    // While it is tried again, jobs says so.
    let running: ToldRun | undefined;
    await until(async () => {
      [running] = await jobs();
      return (running?.failures.length ?? 0) > 0;
    });
    expect(running?.failures).toMatchObject([
      {
        names: Object.keys(DOCUMENTS),
        units: 4,
        again: true,
        code: "engine",
        message: expect.stringMatching(/^always\.txt: the test says no/) as string,
      },
    ]);
    const { code, stdout } = await sent;
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ documents: 4, compressed: 2, failed: 2 });
    const lines = async (out: string): Promise<string[]> =>
      (await readFile(join(at(out), "documents.jsonl"), "utf8")).trim().split("\n");
    const [always, ...others] = await lines("queued");
    expect(JSON.parse(always ?? "")).toMatchObject({ document: "always.txt", failure: { code: "engine" } });
    expect(others).toEqual((await lines("alone")).slice(1));
    const expected = await hashes(at("alone"));
    expect(await hashes(at("queued"))).toMatchObject({
      "fine.txt.kvd": expected["fine.txt.kvd"],
      "once.txt.kvd": expected["once.txt.kvd"],
    });

    const [ended] = await jobs();
    const job = `${ended?.run ?? ""}-0`;
    expect(ended?.failures).toEqual([
      { job, names: ["always.txt"], units: 1, attempts: 3, again: false, code: "engine", message: "the test says no" },
      {
        job,
        names: ["blank.txt"],
        units: 1,
        attempts: 3,
        again: false,
        code: "bad-argument",
        message: expect.stringContaining("the text is empty") as string,
      },
    ]);
    const shown = await runCli(["jobs", "--queue", setting.redis().url]);
    expect(shown.stdout).toMatch(/│ failed +│/);
    expect(shown.stdout).toMatch(/always\.txt +│ 3 times +│ the test says no/);
    expect(shown.stdout).toMatch(/blank\.txt +│ 3 times +│ .*the text is empty/);
  });

  test("a document whose workers are killed with -9, six of them, is listed, and the others are done", async () => {
    await compress("alone-of-cursed");
    const sent = compress("cursed", ...link(), "--shard", "1");
    let read = setting.s3().hold("GET", /\/work\//);
    const jobOf = ({ told }: Command): string => [...told().matchAll(/(\S+-\d+) begins/g)].at(-1)?.[1] ?? "";
    const start = (death: number): Promise<Command> => setting.workerProcess(`dies-${death}`, { lockSeconds: 2 });
    const first = await start(0);
    let alive = [first];
    const text = new RegExp(await read.came);
    await until(() => jobOf(first) !== "");
    const cursed = jobOf(first);
    alive.push(...(await Promise.all([1, 2, 3, 4, 5].map(start))));
    // Whichever has the document is killed; after two seconds of silence another gets it, until none is left.
    for (;;) {
      await read.came;
      const has = (worker: Command): boolean => jobOf(worker) === cursed;
      await until(() => alive.some(has));
      expect(alive.filter(has)).toHaveLength(1);
      const [victim] = alive.filter(has);
      victim?.child.kill("SIGKILL");
      await victim?.end;
      expect(victim?.child.signalCode).toBe("SIGKILL");
      read.release();
      alive = alive.filter((worker) => worker !== victim);
      if (alive.length === 0) break;
      read = setting.s3().hold("GET", text);
    }
    const survivor = await setting.workerHere("survivor", { lockSeconds: 2 });
    expect((await sent).code).toBe(1);
    const [run] = await jobs();
    expect(run).toMatchObject({ state: "done", jobs: { total: 4, done: 3, failed: 1 } });
    const [failure, blank] = run?.failures ?? [];
    expect(failure).toEqual({
      job: cursed,
      names: ["always.txt"],
      units: 1,
      attempts: 6,
      again: false,
      code: "out-of-memory",
      message: "its workers died, one after the other, while they did it",
    });
    expect(blank).toMatchObject({ names: ["blank.txt"], code: "bad-argument" });
    expect(survivor.done()).not.toContain(failure?.job);
    const expected = await hashes(at("alone-of-cursed"));
    expect(await hashes(at("cursed"))).toMatchObject({
      "fine.txt.kvd": expected["fine.txt.kvd"],
      "once.txt.kvd": expected["once.txt.kvd"],
    });
    const [always] = (await readFile(join(at("cursed"), "documents.jsonl"), "utf8")).split("\n");
    expect(JSON.parse(always ?? "")).toMatchObject({ document: "always.txt", failure: { code: "out-of-memory" } });
  });

  test("jobs tells how far a run is, how fast, and who does what; --follow stays to its end", async () => {
    const held = setting.s3().hold("PUT", /\/results\//, 2);
    const sent = compress("watched", ...link(), "--shard", "1");
    await setting.workerHere("busy", { lockSeconds: 60 });
    await held.came;
    await setting.workerHere("idle", { lockSeconds: 60 });
    const asked = ["jobs", "--queue", setting.redis().url];
    await until(async () => (await jobs())[0]?.jobs.done === 3);
    const asJson = await runCli([...asked, "--json"]);
    expect(asJson.code, asJson.stderr).toBe(0);
    const status = JSON.parse(asJson.stdout) as QueueStatus;
    const [run] = status.runs;
    const name = run?.run ?? "";
    expect(run).toMatchObject({
      state: "working",
      jobs: { total: 4, done: 3, failed: 0 },
      units: 4,
      unit: "documents",
    });
    expect((run?.perSecond ?? 0) * (run?.seconds ?? 0)).toBeCloseTo(3, 6);
    expect(status.workers).toMatchObject([
      { name: "busy", job: `${name}-2` },
      { name: "idle", job: null },
    ]);
    const { stdout } = await runCli(asked);
    expect(stdout).toMatch(new RegExp(`${name} .*│ working +│ 3 of 4 +│ [\\d.]+ documents/s`));
    expect(stdout).toMatch(new RegExp(`busy +│ .*│ ${name}-2 +│`));
    const followed = setting.command([...asked, "--follow"]);
    await followed.tells(/3\/4 jobs/);
    expect(followed.child.exitCode).toBeNull();
    held.release();
    const { code, stdout: last, stderr } = await followed.end;
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(new RegExp(`${name}: 4/4 jobs`));
    expect(last).toMatch(new RegExp(`${name} .*│ done +│ 4 of 4 +│ [\\d.]+ documents/s`));
    await sent;
  });

  test("a passage whose reading fails once is measured at the next try; one that always fails is a failure as on one machine, and listed by jobs", async () => {
    const asked = [
      "eval",
      "squad",
      "--data",
      at("questions.jsonl"),
      "--methods",
      "full,none",
      "--model",
      setting.modelFolder(),
    ];
    const measure = async (out: string, model: LanguageModel): Promise<SampleRow[]> => {
      await setting.workerHere(out, { model });
      expect(await runCli([...asked, "--threads", "1", "--out", at(out), ...link()])).toMatchObject({ code: 0 });
      await setting.dismiss();
      const lines = (await readFile(join(at(out), "samples.jsonl"), "utf8")).trimEnd().split("\n");
      return lines.map((line) => ({ ...(JSON.parse(line) as SampleRow), seconds: 0 }));
    };
    const model = setting.model();
    const whole = await measure("eval-whole", model);
    expect(whole.filter(({ failure }) => failure !== undefined)).toEqual([]);
    expect(await measure("eval-once", unreadable(model, "Ann sells", 1))).toEqual(whole);

    const lost = await measure("eval-always", unreadable(model, "Ann sells", Infinity));
    const others = (rows: readonly SampleRow[]): SampleRow[] => rows.filter(({ passage }) => passage !== 1);
    expect(others(lost)).toEqual(others(whole));
    expect(lost.filter(({ failure }) => failure?.code === "engine").map(({ passage }) => passage)).toContain(1);
    const [ended] = await jobs();
    expect(ended?.failures).toMatchObject([{ names: ["1"], units: 1, attempts: 3, again: false, code: "engine" }]);
  });

  test("a job whose input is damaged once is done; one whose input stays damaged is listed, and done by the same command later", async () => {
    const asked = ["prepare", "answers", "--data", at("questions.jsonl"), "--model", setting.modelFolder()];
    const answers = (out: string, ...extra: string[]): Promise<CliRun> =>
      runCli([...asked, "--threads", "1", "--out", at(out), ...extra]);
    expect((await answers("alone.jsonl")).code).toBe(0);
    const sent = answers("queued.jsonl", ...link(), "--shard", "1");
    const inputs = (): string[] =>
      setting
        .s3()
        .keys()
        .filter((key) => key.includes("/work/"));
    await until(async () => inputs().length === 4 && (await jobs()).length === 1);
    const [damaged = "", once = ""] = inputs();
    setting.s3().spoil(new RegExp(damaged), Infinity);
    setting.s3().spoil(new RegExp(once), 1);
    await setting.workerHere("w");
    const { code, stderr } = await sent;
    expect([code, stderr]).toEqual([1, expect.stringMatching(/some passages could not be answered/)]);
    const [run] = await jobs();
    expect(run).toMatchObject({ jobs: { total: 4, done: 3, failed: 1 } });
    const message = expect.stringContaining(damaged) as string;
    expect(run?.failures).toMatchObject([{ units: 1, attempts: 3, again: false, code: "checksum-mismatch", message }]);
    const [name = ""] = run?.failures[0]?.names ?? [];
    expect(stderr).toContain(`passages ${name}: `);
    const shown = await runCli(["jobs", run?.run ?? "", "--queue", setting.redis().url]);
    expect(shown.stdout).toMatch(new RegExp(`${name} +│ 3 times +│ `));
    // What its workers said of the one that was damaged once is there too.
    expect(shown.stderr.match(/failed on w, attempt \d/g)).toHaveLength(4);

    setting.s3().mend();
    expect((await answers("queued.jsonl", ...link())).code).toBe(0);
    const [alone, queued] = await Promise.all(["alone", "queued"].map((own) => readFile(at(`${own}.jsonl`), "utf8")));
    const sorted = (text = ""): string[] => text.split("\n").sort();
    // The passage that came later stands last.
    expect(sorted(queued)).toEqual(sorted(alone));
  });

  test("jobs that were forged, or are of no known kind, are refused, and the worker goes on", async () => {
    await compress("alone-again");
    const identity = await identityOf(setting.model());
    const run = "compress-0123456789ab";
    const work = { settings: {}, adapter: null, documents: {} };
    const payload = (id: string, kind: string): object => ({
      ...{ version: 1, id, run, kind, identity, units: 1, index: 0, names: [], work },
    });
    const [right, wrong] = [TOKEN, "f".repeat(32)].map((secret) => new QueueToken(secret)) as [QueueToken, QueueToken];
    const forged: Readonly<Record<string, unknown>> = {
      "wrong-token": sealJson(wrong, "job", payload("wrong-token", "compress")),
      "no-proof": { payload: JSON.stringify(payload("no-proof", "compress")), proof: "" },
      "another-name": sealJson(right, "job", payload("some-name", "compress")),
      "no-job": { run: "rm -rf /" },
      "given-up": sealJson(wrong, "job", payload("given-up", "compress")),
      "unknown-kind": sealJson(right, "job", payload("unknown-kind", "shell")),
      "unknown-work": sealJson(right, "job", payload("unknown-work", "compress")),
    };
    await withQueues(async (queues) => {
      for (const [jobId, data] of Object.entries(forged))
        await queues.jobs.add("compress", data, { jobId, attempts: 3 });
      await queues.runs.add("compress", forged["no-proof"], { jobId: run });
      // As if it had been refused ten times.
      const client = setting.redis().client();
      await client.hset(queues.jobs.toKey("given-up"), { ats: 10 });
      client.disconnect();
      const { told } = await setting.workerHere("w");
      expect((await compress("with-forged", ...link(), "--shard", "1")).code).toBe(1);
      expect(await hashes(at("with-forged"))).toEqual(await hashes(at("alone-again")));
      const refused = ["wrong-token", "no-proof", "another-name", "no-job"];
      for (const id of refused) {
        await until(() => told().includes(`w refuses ${id}`));
        expect(await (await queues.jobs.getJob(id))?.getState()).toMatch(/^(delayed|waiting|active)$/);
      }
      await until(() => told().includes(`w refuses ${run}`));
      for (const [id, why] of [
        ["given-up", /no proof made with this token/],
        ["unknown-kind", /there is no such kind of job; got shell/],
        ["unknown-work", /not what a queue of this version carries/],
      ] as const) {
        await until(async () => (await (await queues.jobs.getJob(id))?.getState()) === "failed");
        const job = await queues.jobs.getJob(id);
        expect(job?.failedReason).toMatch(why);
        expect(job?.attemptsMade).toBe(1);
      }
      const done = await queues.jobs.getCompleted();
      expect(done.filter(({ id = "" }) => id in forged)).toEqual([]);
    });
  });
});

/** The same model, but the texts with a word cannot be read so many times. */
function failing(model: LanguageModel, words: Readonly<Record<string, number>>): LanguageModel {
  const left = new Map(Object.entries(words));
  const { tokenizer } = model.files;
  const encodeParts: typeof tokenizer.encodeParts = (parts) => {
    const [word = ""] = [...left.keys()].filter((own) => JSON.stringify(parts).includes(own));
    const times = left.get(word) ?? 0;
    if (times > 0) {
      left.set(word, times - 1);
      throw new KvDistillError("engine", "the test says no");
    }
    return tokenizer.encodeParts(parts);
  };
  const files = { ...model.files, tokenizer: { ...tokenizer, encodeParts } };
  return Object.create(model, { files: { value: files } }) as LanguageModel;
}

/** A model whose reading of a text fails so many times. */
function unreadable(model: LanguageModel, text: string, times: number): LanguageModel {
  let left = times;
  const forward: LanguageModel["forward"] = async (request) => {
    if (left > 0 && model.files.tokenizer.decode(request.ids, { skipSpecial: true }).includes(text)) {
      left--;
      throw new KvDistillError("engine", "the test says no");
    }
    return model.forward(request);
  };
  return Object.create(model, { forward: { value: forward } }) as LanguageModel;
}

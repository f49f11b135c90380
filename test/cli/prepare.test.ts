import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { beforeAll, expect, test, vi } from "vitest";
import { openTokenStore, verifyStore } from "../../src/data/store/open-store.ts";
import type { ModelFiles } from "../../src/models/model-files.ts";
import { openModel } from "../../src/models/open.ts";
import { runTraining } from "../../src/train/run.ts";
import { tempFolder } from "../train/temp-folder.ts";
import { readRun, runOptions, tinyConfig, writeTinyData, writeTinyLlama } from "../train/tiny-run.ts";
import { CLI_TIME, runCli } from "./run-cli.ts";

vi.setConfig({ testTimeout: CLI_TIME, hookTimeout: 60_000 });

const folder = tempFolder();
const at = (name: string): string => join(folder, name);
let model: string;
let files: ModelFiles;
let data: string;
/** The limits of `tinyConfig`. */
const limits = ["--min-context", "4", "--reconstruction", "6"];

beforeAll(async () => {
  process.env.KV_DISTILL_HOME = at("home");
  model = await writeTinyLlama(folder);
  files = await openModel(model);
  data = await writeTinyData(folder);
});

const prepare = (...args: string[]): ReturnType<typeof runCli> =>
  runCli(["prepare", ...args, "--model", model, ...limits]);

test("training from a store is training from the file it was made of, bit for bit; either resumes the other", async () => {
  const made = await prepare(`triples=${data}`, "--out", at("store"));
  expect(made.code).toBe(0);
  expect(made.stdout).toContain("10 examples");
  expect((await readdir(at("store"))).sort()).toEqual(["ids.bin", "index.bin", "lengths.svg", "store.json"]);
  await runTraining(runOptions(files, data, at("from-file")));
  await runTraining(runOptions(files, at("store"), at("from-store")));
  expect(await readRun(at("from-store"), 6)).toEqual(await readRun(at("from-file"), 6));

  const stop = new AbortController();
  const onStep = ({ step }: { readonly step: number }): void => {
    if (step === 3) stop.abort();
  };
  await runTraining(runOptions(files, at("store"), at("changed"), { signal: stop.signal, onStep }));
  await runTraining(runOptions(files, data, at("changed"), { resume: true }));
  expect((await readRun(at("changed"), 6)).state).toEqual((await readRun(at("from-file"), 6)).state);
});

test("train takes the store's limits, refuses others, another tokenizer's store, and a store among files", async () => {
  await prepare(`triples=${data}`, "--out", at("limits"));
  const train = (...args: string[]): ReturnType<typeof runCli> =>
    runCli([
      "train",
      "--model",
      model,
      "--rank",
      "2",
      "--eta",
      "1",
      "--sinks",
      "2",
      "--batch",
      "2",
      "--micro-batch",
      "2",
      "--steps",
      "1",
      ...args,
    ]);
  expect((await train("--data", at("limits"), "--out", at("limits-run"))).code).toBe(0);
  const other = await train("--data", at("limits"), "--out", at("refused"), "--max-context", "99", "--questions", "2");
  expect(other.code).toBe(1);
  expect(other.stderr).toContain("maxContext: 99, the store has 384");
  expect(other.stderr).toContain("questions: 2, the store has 5");
  const two = await train("--data", `${at("limits")},${data}`, "--out", at("refused"));
  expect(two.stderr).toContain("a token store is trained on alone");

  const stranger = { ...files, tokenizerHash: "f".repeat(64) };
  const refused = runTraining(runOptions(stranger, at("limits"), at("refused")));
  await expect(refused).rejects.toMatchObject({ code: "model-mismatch" });
  const changed = await openTokenStore(at("limits"));
  await verifyStore(changed);
  await changed.close();
  const ids = await readFile(join(at("limits"), "ids.bin"));
  ids[3] = (ids[3] ?? 0) ^ 1;
  await writeFile(join(at("limits"), "ids.bin"), ids);
  const damaged = runTraining(runOptions(files, at("limits"), at("refused-3"), { config: tinyConfig() }));
  await expect(damaged).rejects.toMatchObject({ code: "checksum-mismatch" });
});

test("--dry-run shows marked spans and the counts, and writes nothing", async () => {
  const before = await readdir(folder);
  const shown = await prepare(`triples=${data}`, "--dry-run");
  expect(shown.code).toBe(0);
  expect(shown.stdout).toMatch(/\[context\][\s\S]*Oslo was built 4 years ago\.[\s\S]*\[\/context\]/);
  expect(shown.stdout).toMatch(/\[question 1\][\s\S]*Which place\?[\s\S]*\[\/question 1\]\[answer 1\]Oslo/);
  expect(shown.stdout).toContain("-- the same context, then --");
  expect(shown.stdout).not.toContain("\u001b");
  expect(shown.stdout).toContain("nothing was written");
  expect(await readdir(folder)).toEqual(before);
  const json = JSON.parse((await prepare(`triples=${data}`, "--dry-run", "--json")).stdout) as {
    examples: number;
    shown: { context: { text: string; ids: number[] } }[];
  };
  expect(json.examples).toBe(10);
  expect(json.shown).toHaveLength(10);
  expect(json.shown[0]?.context.ids.length).toBeGreaterThan(3);
});

test("everything left out is counted by reason: malformed, duplicate, contaminated, not drawn, too long", async () => {
  const sentence = "the quick brown fox jumps over the lazy dog while thirteen others are sleeping";
  const rows = [
    { id: "a", context: "Lisbon is a city by the sea.", question: "What?", answer: "a city" },
    { id: "b", context: "lisbon is a  city by the sea.", question: "what?", answer: "again" },
    { id: "c", context: `They say ${sentence}.`, question: "Who?", answer: "x" },
    { id: "d", context: "long ".repeat(300), question: "Who?", answer: "x" },
    ...Array.from({ length: 6 }, (_, i) => ({
      id: `e${i}`,
      context: `Number ${i} lives here.`,
      question: "Who?",
      answer: "x",
    })),
  ];
  await writeFile(
    at("mixed.jsonl"),
    `${rows.map((row) => JSON.stringify(row)).join("\n")}\n{"context": 5}\nnot json\n`,
  );
  await writeFile(at("eval.jsonl.gz"), gzipSync(`${JSON.stringify({ article: sentence.toUpperCase() })}\n`));
  const flags = ["--decontaminate", at("eval.jsonl.gz"), "--json", "--max-context", "200"];
  const all = await prepare(`triples=${at("mixed.jsonl")}`, "--out", at("mixed"), ...flags);
  expect(all.code).toBe(0);
  const told = JSON.parse(all.stdout) as Record<string, unknown>;
  expect(told).toMatchObject({
    examples: 7,
    inputs: [{ read: 10, kept: 8, leftOut: { "malformed-row": 2, duplicate: 1, contaminated: 1 } }],
    leftOut: { "context-too-long": 1 },
  });
  const store = await openTokenStore(at("mixed"));
  expect(store.header).toMatchObject({
    left_out: { "context-too-long": 1 },
    decontaminate: { words: 13, threshold: 1 },
  });
  await store.close();

  // A file that is empty is told, and is no row.
  await mkdir(at("mixed-folder"));
  await rename(at("mixed.jsonl"), at("mixed-folder/mixed.jsonl"));
  await writeFile(at("mixed-folder/z.jsonl"), "");
  const some = await prepare(
    `triples=${at("mixed-folder")}`,
    "--out",
    at("some"),
    "--max-rows",
    "3",
    ...flags.slice(0, 2),
  );
  expect(some.stderr).toContain(`c: 2 shingles of ${at("eval.jsonl.gz")}, such as "the quick brown`);
  expect(some.stderr).toContain("mixed.jsonl:11: ");
  expect(some.stderr).toContain("z.jsonl:1: the file is empty");
  expect(some.stdout).toMatch(/12 .* 2 .* 1 .* 1 .* 5 .* 3 /);
});

test("all faults of the command line at once", async () => {
  const run = await runCli([
    "prepare",
    "squadd=x",
    "triples",
    "triples=a",
    "triples=a",
    "--weights",
    "1",
    "--style",
    "odd",
  ]);
  expect(run.code).toBe(2);
  expect(run.stderr).toContain("--style");
  const more = await runCli([
    "prepare",
    "squadd=x",
    "triples",
    "triples=a",
    "triples=a",
    "--weights",
    "1",
    "--min-context",
    "500",
  ]);
  expect(more.code).toBe(2);
  for (const fault of [
    "did you mean squad?",
    "names no file",
    "twice",
    "--out <folder>: missing",
    "needs --max-rows",
    "one for each of 4",
    "above --max-context",
  ]) {
    expect(more.stderr).toContain(fault);
  }
  expect((await runCli(["prepare"])).code).toBe(2);
  const answers = await runCli(["prepare", "answers", "--keep", "5"]);
  expect(answers.code).toBe(2);
  expect(answers.stderr).toContain("--out <file>: missing");
  expect(answers.stderr).toContain("--keep");
  expect((await runCli(["prepare", "self-study", "--help"])).stdout).toContain("--openers");
});

test("a store names every licence of a source", async () => {
  const row = (licence: string) => ({
    source: "set",
    licence,
    context: `one two three four ${licence}`,
    question: "Who?",
    answer: "x",
  });
  await writeFile(
    at("licences.jsonl"),
    ["CC0-1.0", "CC BY-NC 4.0", "CC0-1.0"].map((own) => JSON.stringify(row(own))).join("\n"),
  );
  expect((await prepare(`triples=${at("licences.jsonl")}`, "--out", at("licensed"))).code).toBe(0);
  const store = await openTokenStore(at("licensed"));
  expect(store.header.sources.map(({ name, licence }) => [name, licence])).toEqual([["set", "CC0-1.0, CC BY-NC 4.0"]]);
  await store.close();
});

test("--replace takes the place of a store alone", async () => {
  await mkdir(at("photos"));
  await writeFile(at("photos/one.txt"), "dear");
  await writeFile(at("letter"), "dear");
  for (const out of ["photos", "letter"]) {
    const refused = await prepare(`triples=${data}`, "--out", at(out), "--replace");
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain("no token store");
  }
  expect((await readFile(at("photos/one.txt"), "utf8")) + (await readFile(at("letter"), "utf8"))).toBe("deardear");
});

test("an old store stays unless --replace is given, whole until the new one is", async () => {
  await prepare(`triples=${data}`, "--out", at("old"));
  const refused = await prepare(`triples=${data}`, "--out", at("old"));
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain("exists already");
  await writeFile(at("nothing.jsonl"), "{}\n");
  const failed = await prepare(`triples=${at("nothing.jsonl")}`, "--out", at("old"), "--replace");
  expect(failed.code).toBe(1);
  expect(failed.stderr).toContain("nothing.jsonl:1");
  const store = await openTokenStore(at("old"));
  expect(store.count).toBe(10);
  await store.close();
  expect((await prepare(`triples=${data}`, "--out", at("old"), "--replace", "--questions", "1")).code).toBe(0);
  const next = await openTokenStore(at("old"));
  expect(next.count).toBe(15);
  await next.close();
});

test("Ctrl-C leaves nothing behind", async () => {
  const own = at("interrupted");
  await mkdir(own);
  const row = (i: number): string =>
    JSON.stringify({ context: `Passage ${i} about foxes. `.repeat(8), question: "Who?", answer: "x" });
  await writeFile(join(own, "rows.jsonl"), Array.from({ length: 60_000 }, (_, i) => row(i)).join("\n"));
  const args = [
    "prepare",
    `triples=${join(own, "rows.jsonl")}`,
    "--out",
    join(own, "store"),
    "--model",
    model,
    "--min-context",
    "4",
  ];
  const stopped = await runCli(args, {
    meanwhile: (child) => {
      void (async () => {
        while (child.exitCode === null && !(await readdir(own)).some((name) => name.endsWith(".tmp"))) await sleep(20);
        child.kill("SIGINT");
      })();
    },
  });
  expect(stopped.code).toBe(130);
  expect(await readdir(own)).toEqual(["rows.jsonl"]);
});

test("answers from any reader, and self-study, write rows that a store is made of", async () => {
  const article = {
    title: "t",
    paragraphs: [
      {
        context: "A fox lives here.",
        qas: [{ id: "q", question: "Who?", answers: [{ text: "A fox", answer_start: 0 }] }],
      },
    ],
  };
  await writeFile(at("squad.json"), JSON.stringify({ version: "1.1", data: [article] }));
  const answers = [
    "prepare",
    "answers",
    `squad=${at("squad.json")}`,
    "--model",
    model,
    "--out",
    at("answers.jsonl"),
    "--max-answer",
    "4",
  ];
  const first = await runCli([...answers, "--json"]);
  expect(first.code).toBe(0);
  const told = JSON.parse(first.stdout) as { answered: number; empty: number };
  expect(told.answered + told.empty).toBe(1);
  expect(JSON.parse((await runCli([...answers, "--json"])).stdout)).toMatchObject({ before: 1, answered: 0, empty: 0 });

  await mkdir(at("texts"));
  await writeFile(join(at("texts"), "a.txt"), "The fox lives by the river and eats apples.\n\nIt sleeps all day long.");
  const study = await runCli([
    "prepare",
    "self-study",
    at("texts"),
    "--model",
    model,
    "--out",
    at("study.jsonl"),
    "--max-context",
    "60",
    "--min-context",
    "4",
    "--max-answer",
    "5",
    "--max-question",
    "6",
  ]);
  expect(study.stderr).not.toContain("error");
  expect(study.code).toBe(0);
  expect(study.stdout).toMatch(/\d passages of 1 texts/);
  const store = await prepare(`triples=${at("study.jsonl")}`, "--out", at("study-store"));
  expect(store.code).toBe(0);
});

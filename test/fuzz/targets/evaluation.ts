import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { readKept } from "../../../src/evaluate/report/read-kept.ts";
import { readRun } from "../../../src/evaluate/report/read-run.ts";
import { parseResult } from "../../../src/evaluate/report/stored-result.ts";
import { conditionsOf } from "../../../src/evaluate/run/conditions.ts";
import { reusableRows } from "../../../src/evaluate/run/reuse.ts";
import { parseKeptLine } from "../../../src/evaluate/run/kept-file.ts";
import { parseRow } from "../../../src/evaluate/run/row-file.ts";
import { writeRun } from "../../evaluate/report/stored-run.ts";
import { damages, mutateBytes } from "../make/bytes.ts";
import { bytesCase, damagedFiles, type Files, filesCase } from "../make/case.ts";
import { mutateTree, printTree, treeOf } from "../make/json-tree.ts";
import { mutateJson } from "../make/text.ts";
import { EVALUATION, IDENTITY } from "../samples/runs.ts";
import { must, type Target } from "../target.ts";

const NAMES = ["samples.jsonl", "kept.jsonl", "result.json", "predictions.csv"] as const;

/** The folder of a finished evaluation. */
export const evaluationRun: Target = {
  name: "evaluation-run",
  share: 8,
  open: async (scratch) => {
    const files = await sampleRun(scratch);
    const text = (name: string): string => Buffer.from(files[name] ?? "").toString("utf8");
    const lines = (name: string) =>
      text(name)
        .trimEnd()
        .split("\n")
        .map((line) => treeOf(JSON.parse(line)));
    const trees = {
      "samples.jsonl": lines("samples.jsonl"),
      "kept.jsonl": lines("kept.jsonl"),
      "result.json": [treeOf(JSON.parse(text("result.json")))],
    };
    const make = (given: Files) => filesCase(scratch, given, check);
    return {
      make: (dice) => {
        const name = dice.pick(NAMES);
        if (name === "predictions.csv")
          return make({ ...files, [name]: mutateBytes(files[name] ?? new Uint8Array(), dice) });
        const own = trees[name];
        const which = dice.below(own.length);
        const written = own.map((tree, i) => printTree(i === which ? mutateTree(tree, dice) : tree)).join("\n");
        const bytes = Buffer.from(`${written}\n`);
        return make({ ...files, [name]: dice.chance(0.1) ? mutateBytes(bytes, dice) : bytes });
      },
      edges: function* () {
        for (const damaged of damagedFiles(files, "predictions.csv")) yield make(damaged);
      },
      close: () => Promise.resolve(),
    };
  },
};

async function check(folder: string): Promise<void> {
  const { rows, result, questions, keptPath } = await readRun(folder);
  must(rows.length === result.questions * result.results.length, "rows and conditions");
  for (const { sample } of rows) must(questions.has(sample), `no question ${sample}`);
  if (keptPath === undefined) return;
  const { passages } = await readKept(keptPath, new Set(rows.map(({ passage }) => passage)));
  for (const { text, kept } of passages.values()) {
    must((text.spans.at(-1)?.end ?? 0) === text.text.length, "spans and text");
    for (const own of [...kept.values()].flat()) must(own.holders.length === text.spans.length, "holders and tokens");
  }
}

async function sampleRun(scratch: string): Promise<Files> {
  await writeRun(join(scratch, "run"), {
    questions: 2,
    methods: ["full", "h2o"],
    keeps: [0.5],
    passageText: "the cat sat on it",
  });
  const files: Record<string, Uint8Array> = {};
  for (const name of NAMES) files[name] = await readFile(join(scratch, "run", name));
  return files;
}

/** Single lines and results, in memory. */
export const evaluationLines: Target = {
  name: "evaluation-lines",
  share: 92,
  open: async (scratch) => {
    const files = await sampleRun(scratch);
    const first = (name: string, i = 0): unknown =>
      JSON.parse(
        Buffer.from(files[name] ?? "")
          .toString("utf8")
          .split("\n")[i] ?? "",
      );
    const readers = [
      { tree: treeOf(first("samples.jsonl")), read: parseRow },
      { tree: treeOf(first("kept.jsonl", 0)), read: parseKeptLine },
      { tree: treeOf(first("kept.jsonl", 1)), read: parseKeptLine },
      { tree: treeOf(first("result.json")), read: parseResult },
    ] as const;
    const make = (read: (text: string, where: string) => object, bytes: Uint8Array) =>
      bytesCase(bytes, (given) => {
        must(typeof read(Buffer.from(given).toString("utf8"), "file:1") === "object", "no row");
      });
    return {
      make: (dice) => {
        const { tree, read } = dice.pick(readers);
        return make(read, mutateJson(tree, dice));
      },
      edges: function* () {
        for (const { tree, read } of readers.slice(0, 3))
          for (const bytes of damages(Buffer.from(printTree(tree)))) yield make(read, bytes);
      },
      close: () => Promise.resolve(),
    };
  },
};

/** config.json of an evaluation that another one takes rows from. */
export const evaluationConfig: Target = {
  name: "evaluation-config",
  share: 20,
  open: (scratch) => {
    const make = (bytes: Uint8Array) =>
      filesCase(scratch, { "config.json": bytes, "samples.jsonl": Buffer.from("") }, async (folder) => {
        const found = await reusableRows({
          folders: [folder],
          identity: IDENTITY,
          conditions: conditionsOf(["full"], [0.5]),
          questions: 2,
        });
        must(
          found.every(({ rows }) => rows.length === 0),
          "rows out of nothing",
        );
      });
    const tree = treeOf(EVALUATION);
    return Promise.resolve({
      make: (dice) => make(mutateJson(tree, dice)),
      edges: function* () {
        for (const bytes of damages(Buffer.from(JSON.stringify(EVALUATION)))) yield make(bytes);
      },
      close: () => Promise.resolve(),
    });
  },
};

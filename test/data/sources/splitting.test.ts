import { gzipSync } from "node:zlib";
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { SOURCE_NAMES, sourceNamed } from "../../../src/data/sources/index.ts";
import { tempFiles } from "../temp-file.ts";
import { ARTICLE, PUBLISHED, textOf } from "./published.ts";
import { readSource, split } from "./read-source.ts";
import { zipOf } from "./zip-writer.ts";

const write = tempFiles();
const lines = (...records: readonly unknown[]) => textOf({ form: "lines", records });
const published = (name: string) => {
  const file = PUBLISHED[name];
  if (file === undefined) throw new Error(`no published file of ${name}`);
  return file;
};
const readPublished = (name: string) => readSource(name, write(published(name).file, textOf(published(name))));
const parts = (context: string, question: string, ...answers: readonly string[]) => ({ context, question, answers });

test("every source has a published file here, and unknown ones are refused by name", () => {
  expect(Object.keys(PUBLISHED).sort()).toEqual([...SOURCE_NAMES].sort());
  expect(() => sourceNamed("sqaud")).toThrow(/no such data source.*squad.*sqaud/s);
});

describe.each(SOURCE_NAMES)("%s", (name) => {
  const { file, rows: count } = published(name);
  const text = textOf(published(name));
  // Super-NaturalInstructions names its tasks by their files.
  const everywhere = ({ place, ...row }: { place: unknown }) => [typeof place, row];

  test("the same rows out of a plain file, gzip, zip, and a folder", async () => {
    const plain = await readPublished(name);
    expect(plain.rows).toHaveLength(count);
    expect(plain.faults).toEqual([]);
    expect(plain.damaged).toEqual([]);
    for (const row of plain.rows) {
      expect(row.licence).not.toBe("");
      expect(row.context.trim()).not.toBe("");
      expect(row.place.file).toMatch(new RegExp(`${file.replaceAll(".", "\\.")}$`));
      expect(row.place.line).toBeGreaterThanOrEqual(1);
    }
    const folder = join(dirname(write("here", "")), `folder-${name}`);
    mkdirSync(join(folder, "inner"), { recursive: true });
    const base = folder.split("/").at(-1) ?? "";
    write(`${base}/inner/${file}`, text);
    write(`${base}/README.md`, "no data");
    const others = {
      gzip: await readSource(name, write(`${file}.gz`, gzipSync(text))),
      zip: await readSource(name, write(`${name}.zip`, zipOf({ "data/README.md": "no", [`data/${file}`]: text }))),
      folder: await readSource(name, folder),
    };
    const withoutName = (row: object) =>
      JSON.parse(JSON.stringify(row).replaceAll(`${file}.gz`, file)) as { place: unknown };
    for (const other of Object.values(others)) {
      expect(other.rows.map(withoutName).map(everywhere)).toEqual(plain.rows.map(everywhere));
      expect(other.counts).toEqual(plain.counts);
    }
  });
});

describe("what is the context, the question, the answer", () => {
  test("triples", async () => {
    const { rows } = await readPublished("triples");
    expect(rows).toEqual([
      {
        id: "t1",
        source: "mine",
        licence: "CC0-1.0",
        ...parts(ARTICLE, "When?", "noon", "at noon"),
        place: { file: expect.stringMatching(/triples\.jsonl$/) as string, line: 1 },
      },
    ]);
  });

  test("self-instruct: instances of tasks, generated rows, and the fine-tuning prompts taken apart", async () => {
    const { rows, counts } = await readPublished("self-instruct");
    expect(rows.map(split)).toEqual([
      parts(ARTICLE, "Shorten the text.", "A ferry sailed empty."),
      parts(ARTICLE, "Count the sentences.", "2"),
      parts(ARTICLE, "Count the sentences.", "2"),
    ]);
    expect(rows.map(({ id }) => id)).toEqual(["seed_task_7-0", "seed_tasks.jsonl:2", "seed_tasks.jsonl:3"]);
    expect(counts).toEqual({ "no-context": 1 });
  });

  test("self-instruct: each way in which its script writes prompts", async () => {
    const [asked, about, said] = ["Count the words.\nSay a number.", "one two\n\nthree", "3"];
    const oneLine = "Count the words.";
    const prompts = [
      [`${asked}\nInput: ${about}\nOutput:`, asked],
      [`${asked}\n\nInput: ${about}\n\nOutput:`, asked],
      [`Task: ${asked}\nInput: ${about}\nOutput:`, asked],
      [`${asked}\n\n${about}\n\nOutput:`, asked],
      [`${asked}\n\n${about}\n\n`, asked],
      [`Task: ${asked}\n\n${about}\n\n`, asked],
      [`${oneLine}\n${about.replace("\n\n", " ")}\n\n`, oneLine],
    ] as const;
    const path = write(
      "prompts.jsonl",
      lines(...prompts.map(([prompt]) => ({ prompt, completion: `${said}<|endoftext|>` }))),
    );
    const { rows } = await readSource("self-instruct", path);
    expect(rows.map(({ question, answers }) => [question, answers])).toEqual(prompts.map(([, ask]) => [ask, [said]]));
    expect(rows.slice(0, -1).map(({ context }) => context)).toEqual(prompts.slice(0, -1).map(() => about));
    expect(rows.at(-1)?.context).toBe("one two three");
    const without = [`${oneLine} Output:`, `${oneLine}\nOutput:`, `${oneLine}\n\n`, `Task: ${oneLine}\n\n`];
    const bare = write("bare.jsonl", lines(...without.map((prompt) => ({ prompt, completion: said }))));
    expect((await readSource("self-instruct", bare)).counts).toEqual({ "no-context": 4 });
  });

  test("alpaca", async () => {
    const { rows, counts, unused } = await readPublished("alpaca");
    expect(rows.map(split)).toEqual([parts(ARTICLE, "Summarize the following text.", "A ferry sailed empty.")]);
    expect(counts).toEqual({ "no-context": 2 });
    const file = expect.stringMatching(/alpaca_data\.json$/) as string;
    expect(unused).toEqual([2, 3].map((line) => ({ file, line, unit: "row", reason: "no-context" })));
  });

  test("longalpaca: papers, two papers, books, and a document that says itself that the paper ends", async () => {
    const paper = (document: string) =>
      "Below is a paper. Memorize the paper and answer my question after the paper.\n The paper begins. \n " +
      `${document} \n Now the paper ends. \nWhat is new?`;
    const records = [
      paper(ARTICLE),
      paper(`${ARTICLE} Now the paper ends. ${ARTICLE}`),
      "There are two papers. Memorize them and answer my question after the paper.\n The first paper begins. \n A one. \n " +
        "Now the first paper ends. \n The second paper begins. \n A two. \n Now the second paper ends. \nCompare them.",
      "Below is some paragraphs in the book, The Dr. No Case. Memorize the content and answer my question after the book.\n " +
        `${ARTICLE} \n Now the material ends. Who is the captain?`,
      "Below is a paper. Memorize the material and answer my question after the paper.\n no end to it",
    ].map((instruction) => ({ instruction, input: "", output: "Much." }));
    const { rows, counts } = await readSource("longalpaca", write("long.json", JSON.stringify(records)));
    expect(rows.map(split)).toEqual([
      parts(ARTICLE, "What is new?", "Much."),
      parts(`${ARTICLE} Now the paper ends. ${ARTICLE}`, "What is new?", "Much."),
      parts(
        "The first paper begins. \n A one. \n Now the first paper ends. \n The second paper begins. \n A two.",
        "Compare them.",
        "Much.",
      ),
      parts(ARTICLE, "Who is the captain?", "Much."),
    ]);
    expect(counts).toEqual({ "no-context": 1 });
  });

  test("super-natural-instructions: a task's file, its licence, an older Definition, and one instance a row", async () => {
    const { rows } = await readPublished("super-natural-instructions");
    expect(rows).toMatchObject([
      {
        id: "task059-1",
        source: "super-natural-instructions/task059_ropes_story_generation",
        licence: "CC BY 4.0",
        ...parts(ARTICLE, "Write a story about the paragraph.", "A story.", "Another."),
      },
    ]);
    const older = {
      Definition: "Say it.",
      Instances: [{ input: ARTICLE, output: "It." }, { input: 3 }, { input: " ", output: ["x"] }],
    };
    const task = await readSource("super-natural-instructions", write("task1.json", JSON.stringify(older)));
    expect(task.rows).toMatchObject([{ id: "task1-0", licence: "Apache-2.0", ...parts(ARTICLE, "Say it.", "It.") }]);
    expect(task.faults).toMatchObject([
      { line: 2, unit: "row", fault: expect.stringMatching(/Instances\.1\.input: /) as string },
    ]);
    expect(task.unused).toMatchObject([{ line: 3, unit: "row", reason: "no-context" }]);
    const flat = { task_name: "task7_x", id: "task7-3", definition: "Do.", inputs: ARTICLE, targets: "Done." };
    const rowsOfHub = await readSource("super-natural-instructions", write("train.jsonl", lines(flat)));
    expect(rowsOfHub.rows).toMatchObject([
      { id: "task7-3", source: "super-natural-instructions/task7_x", ...parts(ARTICLE, "Do.", "Done.") },
    ]);
  });

  test("squad: v2's unanswerable questions are counted, a malformed one is named by its path", async () => {
    const { rows, counts } = await readPublished("squad");
    expect(rows).toMatchObject([{ id: "a", source: "squad_v2.0", ...parts(ARTICLE, "When?", "noon") }]);
    expect(counts).toEqual({ unanswerable: 1 });
    const qas = [
      { id: "a", question: "When?", answers: [] },
      { id: "b", question: "Who?", answers: [{ text: "he" }] },
    ];
    const broken = { version: "1.1", data: [{ paragraphs: [{ context: 3 }, { context: ARTICLE, qas }] }, 7] };
    const read = await readSource("squad", write("broken.json", JSON.stringify(broken)));
    expect(read.rows).toMatchObject([{ id: "b", source: "squad_v1.1", place: { line: 2, unit: "row" } }]);
    expect(read.faults.map(({ fault }) => fault.split(": ")[0])).toEqual([
      "data.0.paragraphs.0.context",
      "data.0.paragraphs.1.qas.0.answers",
      "data.1.",
    ]);
  });

  test("quality: options, the label from 0, the hard subset; without a label or as HTML not usable", async () => {
    const { rows, counts } = await readPublished("quality");
    expect(rows).toMatchObject([
      {
        id: "52845_ABC_1",
        ...parts(ARTICLE, "Who was paid?", "The captain"),
        options: ["The captain", "The cook", "Nobody", "The island"],
        label: 0,
        hard: false,
        licence: "Project Gutenberg License",
      },
    ]);
    expect(counts).toEqual({ "no-label": 1 });
    const question = { question: "Q?", options: ["a", "b"], gold_label: 2, difficult: 1 };
    const records = [
      {
        article: ARTICLE,
        license: null,
        questions: [question, { ...question, gold_label: 3 }, { ...question, options: ["a"] }],
      },
      { article: `<html><p>${ARTICLE}</p></html>`, questions: [question] },
      {
        id: "s1",
        source: "sub",
        article: ARTICLE,
        question: "Q?",
        options: ["a", "b"],
        gold_label: 1,
        difficulty: null,
      },
      {
        article: ARTICLE,
        source: "sub",
        qas: [{ id: "g1", question: "Q?", options: ["a", "b"], gold_label: 2, difficulty: 1 }],
      },
    ];
    const read = await readSource("quality", write("q.jsonl", lines(...records)));
    expect(read.rows.map(({ id, source, answers, label, hard }) => [id, source, answers, label, hard])).toEqual([
      ["q.jsonl:1", "quality", ["b"], 1, true],
      ["s1", "sub", ["a"], 0, undefined],
      ["g1", "sub", ["b"], 1, true],
    ]);
    expect(read.unused).toMatchObject([{ line: 2, reason: "html" }]);
    expect(read.faults.map(({ line, fault }) => `${line} ${fault}`)).toEqual([
      "1 gold_label: expected 1 … 2, got 3",
      expect.stringMatching(/^1 questions\.2\.options: /) as string,
    ]);
  });

  test("squality: stories, the document type left by early versions, and rows with qas", async () => {
    const { rows } = await readPublished("squality");
    const expected = parts(ARTICLE, "What is the plot of the story?", "A ferry sails.", "An empty ferry.");
    expect(rows).toMatchObject([{ id: "63833-1", ...expected }]);
    const [story] = published("squality").records as [{ document: string }];
    const doctype =
      '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN"\n "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">\n';
    const records = [
      { ...story, document: doctype + ARTICLE },
      { ...story, document: `${doctype}<html><body>${ARTICLE}</body></html>` },
      {
        id: "s",
        source: "sub",
        context: ARTICLE,
        qas: [
          { question: "Plot?", answers: ["A ferry."] },
          { question: "Who?", answers: [] },
        ],
      },
    ];
    const read = await readSource("squality", write("s.jsonl", lines(...records)));
    expect(read.rows.map(split)).toEqual([expected, parts(ARTICLE, "Plot?", "A ferry.")]);
    expect(read.counts).toEqual({ html: 1, "no-answer": 1 });
  });
});

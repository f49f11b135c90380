import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createDataReport } from "../../src/data/data-report.ts";
import { groupPassages } from "../../src/data/group-passages.ts";
import type { QuestionRow, RowFault } from "../../src/data/passage.ts";
import { readRows } from "../../src/data/read-rows.ts";
import { readTokenTriples } from "../../src/data/read-token-triples.ts";
import { all, tempFiles } from "./temp-file.ts";

const write = tempFiles();
const jsonLines = (rows: readonly unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

describe("rows", () => {
  test("answers or one answer; id and source from the row or from where it stands", async () => {
    const path = write(
      "rows.jsonl.gz",
      gzipSync(
        jsonLines([
          { id: "a1", source: "squad", title: "T", context: "C", question: "Q", answers: ["x", "y"], extra: 1 },
          { id: 7, context: " C2 ", question: "Q2", answer: "z" },
        ]) + "\n   \n",
      ),
    );
    const faults: RowFault[] = [];
    expect(await all(readRows(path, (fault) => faults.push(fault)))).toEqual([
      { id: "a1", source: "squad", context: "C", question: "Q", answers: ["x", "y"] },
      { id: "7", source: "rows.jsonl.gz", context: " C2 ", question: "Q2", answers: ["z"] },
    ]);
    expect(faults).toEqual([]);
  });

  test("malformed rows are named by file and line and counted, and reading goes on", async () => {
    const good = { context: "C", question: "Q", answer: "A" };
    const lines = [
      JSON.stringify(good),
      "{ not json",
      "[1, 2]",
      JSON.stringify({ ...good, context: 5 }),
      JSON.stringify({ ...good, question: " \n" }),
      JSON.stringify({ context: "C", question: "Q" }),
      JSON.stringify({ ...good, answers: ["A"] }),
      JSON.stringify({ context: "C", question: "Q", answers: [] }),
      JSON.stringify(good),
    ];
    const path = write("bad.jsonl", lines.join("\n"));
    const faults: RowFault[] = [];
    const rows = await all(readRows(path, (fault) => faults.push(fault)));
    expect(rows.map((row) => row.id)).toEqual(["bad.jsonl:1", "bad.jsonl:9"]);
    expect(faults.every((fault) => fault.file === path)).toBe(true);
    expect(faults.map(({ line, fault }) => `${line} ${fault}`)).toMatchInlineSnapshot(`
      [
        "2 the line is not JSON",
        "3 Invalid input: expected object, received array",
        "4 context: Invalid input: expected string, received number",
        "5 question: is blank",
        "6 expected one of the fields answer and answers",
        "7 expected one of the fields answer and answers",
        "8 answers: expected at least 1 item, got 0",
      ]
    `);
    const report = createDataReport();
    faults.forEach(report.onFault);
    expect(report.counts()).toEqual({ "malformed-row": 7 });
    expect(report.lines()).toEqual([
      "malformed rows left out: 7",
      `  ${path}:2: the line is not JSON`,
      expect.stringMatching(/bad\.jsonl:3: /),
      expect.stringMatching(/bad\.jsonl:4: context: /),
      "  … and 4 more",
    ]);
  });

  test("token triples", async () => {
    const path = write(
      "triples.jsonl",
      jsonLines([
        { context_ids: [1, 2], question_ids: [3], answer_ids: [4, 5] },
        { context_ids: [1, -2], question_ids: [3], answer_ids: [4] },
        { context_ids: [1, 2.5], question_ids: [], answer_ids: [4] },
      ]),
    );
    const faults: RowFault[] = [];
    expect(await all(readTokenTriples(path, (fault) => faults.push(fault)))).toEqual([
      {
        id: "triples.jsonl:1",
        source: "triples.jsonl",
        contextIds: [1, 2],
        turns: [{ kind: "question", questionIds: [3], answerIds: [4, 5] }],
      },
    ]);
    expect(faults.map((fault) => fault.line)).toEqual([2, 3]);
  });
});

describe("grouping", () => {
  const row = (id: number, context: string): QuestionRow => ({
    id: String(id),
    source: "s",
    context,
    question: `q${id}`,
    answers: ["a"],
  });
  const rowsOf = (contexts: readonly string[]) => contexts.map((context, index) => row(index, context));
  const shapes = fc.array(fc.constantFrom("A", "B", "C", "DD", "EEE"), { maxLength: 30 });

  test("equal contexts become one passage, in order of first appearance, wherever their rows stand", async () => {
    const passages = await all(groupPassages(rowsOf(["A", "B", "A", "C", "B"])));
    expect(passages.map(({ id, context, questions }) => [id, context, questions.map((each) => each.id)])).toEqual([
      ["0", "A", ["0", "2"]],
      ["1", "B", ["1", "4"]],
      ["3", "C", ["3"]],
    ]);
  });

  test("no question is lost, whatever the limits; within them every context comes once", async () => {
    await fc.assert(
      fc.asyncProperty(
        shapes,
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 1, max: 8 }),
        async (contexts, openPassages, openCharacters) => {
          let closedEarly = 0;
          const onClosedEarly = (count: number) => (closedEarly = count);
          const passages = await all(groupPassages(rowsOf(contexts), { openPassages, openCharacters, onClosedEarly }));
          const ids = passages.flatMap((passage) => passage.questions.map((each) => Number(each.id)));
          expect([...ids].sort((a, b) => a - b)).toEqual(contexts.map((_, index) => index));
          for (const passage of passages) {
            for (const each of passage.questions) expect(contexts[Number(each.id)]).toBe(passage.context);
          }
          if (closedEarly === 0) expect(new Set(passages.map((each) => each.context)).size).toBe(passages.length);
        },
      ),
    );
  });

  test("a window of one keeps the order of the questions", async () => {
    await fc.assert(
      fc.asyncProperty(shapes, async (contexts) => {
        const passages = await all(groupPassages(rowsOf(contexts), { openPassages: 1 }));
        const ids = passages.flatMap((passage) => passage.questions.map((each) => Number(each.id)));
        expect(ids).toEqual(contexts.map((_, index) => index));
      }),
    );
  });

  test("passages let go early are told", async () => {
    const report = createDataReport();
    const limits = { openPassages: 1, onClosedEarly: report.onClosedEarly };
    await all(groupPassages(rowsOf(["A", "B", "A"]), limits));
    expect(report.counts()).toEqual({ "closed-early": 2 });
    await expect(all(groupPassages([], { openPassages: 0 }))).rejects.toThrow("openPassages: grouping");
  });
});

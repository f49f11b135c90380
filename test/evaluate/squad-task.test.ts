import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { RowFault } from "../../src/data/passage.ts";
import { scoredSquad } from "../../src/data/sources/scored-squad.ts";
import { all, tempFiles } from "../data/temp-file.ts";

const write = tempFiles();
const noFault = (fault: RowFault) => {
  throw new Error(`${fault.line}: ${fault.fault}`);
};

const official = {
  version: "1.1",
  data: [
    {
      title: "One",
      paragraphs: [
        {
          context: "A text.",
          qas: [
            { id: "1", question: "Q1?", answers: [{ text: "A", answer_start: 0 }, { text: "." }] },
            { id: "2", question: "Q2?", answers: [{ text: "text", answer_start: 2 }] },
          ],
        },
        { context: "No questions.", qas: [] },
      ],
    },
    { title: "Two", paragraphs: [{ context: "B", qas: [{ id: "3", question: "Q3?", answers: [{ text: "B" }] }] }] },
  ],
};
const passages = [
  {
    id: "1",
    source: "squad_v1.1",
    context: "A text.",
    questions: [
      { id: "1", question: "Q1?", answers: ["A", "."] },
      { id: "2", question: "Q2?", answers: ["text"] },
    ],
  },
  { id: "3", source: "squad_v1.1", context: "B", questions: [{ id: "3", question: "Q3?", answers: ["B"] }] },
];

describe("the official file", () => {
  test("in file order, with all gold answers, on one line or many, plain or gzip", async () => {
    for (const bytes of [
      JSON.stringify(official),
      JSON.stringify(official, null, 2),
      gzipSync(JSON.stringify(official)),
    ]) {
      expect(await all(scoredSquad(write("dev-v1.1.json", bytes), noFault))).toEqual(passages);
    }
  });

  test("a malformed one is refused as a whole, with every fault named by its place", async () => {
    const broken = structuredClone(official) as unknown as { data: { paragraphs: { qas: object[] }[] }[] };
    broken.data[1]?.paragraphs[0]?.qas.push({ id: "4", question: "", answers: [] });
    await expect(all(scoredSquad(write("broken.json", JSON.stringify(broken)), noFault))).rejects.toThrow(
      /broken\.json: not a SQuAD v1\.1 file\n {2}- data\.1\.paragraphs\.0\.qas\.1\.question: .*; data\.1\.paragraphs\.0\.qas\.1\.answers: /,
    );
    const cut = JSON.stringify(official).slice(0, 200);
    await expect(all(scoredSquad(write("cut.json", cut), noFault))).rejects.toMatchObject({ code: "bad-file" });
    await expect(all(scoredSquad(write("empty.json", '{"data": 5}'), noFault))).rejects.toMatchObject({
      code: "bad-file",
    });
  });

  test("version 2 is refused by name", async () => {
    const path = write("v2.json", JSON.stringify({ ...official, version: "v2.0" }));
    await expect(all(scoredSquad(path, noFault))).rejects.toMatchObject({ code: "unsupported" });
  });
});

describe("JSON Lines", () => {
  const row = (id: string, context: string) => ({
    id,
    source: "squad_v1.1_dev",
    context,
    question: "Q?",
    answers: ["A"],
  });
  const lines = (rows: readonly unknown[]) => rows.map((each) => JSON.stringify(each)).join("\n");

  test("questions keep the file's order, also where a context comes back", async () => {
    const path = write(
      "rows.jsonl",
      lines([row("1", "A"), row("2", "A"), row("3", "B"), row("4", "A"), row("4", "A")]),
    );
    const read = await all(scoredSquad(path, noFault));
    expect(read.map((passage) => [passage.context, passage.questions.map((each) => each.id)])).toEqual([
      ["A", ["1", "2"]],
      ["B", ["3"]],
      ["A", ["4", "4"]],
    ]);
  });

  test("malformed rows are told, the first one too", async () => {
    const faults: RowFault[] = [];
    const path = write("bad.jsonl", `{"id": broken\n${lines([row("1", "A"), { ...row("2", "A"), answers: 3 }])}`);
    const read = await all(scoredSquad(path, (fault) => faults.push(fault)));
    expect(read).toHaveLength(1);
    expect(faults.map((fault) => fault.line)).toEqual([1, 3]);
  });

  test("an empty file is refused", async () => {
    const read = all(scoredSquad(write("none.jsonl", "\n"), noFault));
    await expect(read).rejects.toMatchObject({ code: "bad-file", facts: { faults: ["the file is empty"] } });
  });
});

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { predictionsCsv } from "../../src/evaluate/report/csv.ts";
import { checkEvalConfig } from "../../src/evaluate/run/config.ts";
import { openRowFile } from "../../src/evaluate/run/row-file.ts";
import type { SampleRow } from "../../src/evaluate/run/sample-row.ts";
import { tempFiles } from "../data/temp-file.ts";
import { CONFIG } from "./tiny-run.ts";

const write = tempFiles();
const row: SampleRow = {
  sample: 0,
  passage: 0,
  id: "q",
  method: "h2o",
  keep: 0.9,
  contextTokens: 50,
  rows: 45,
  answer: 'a "quoted",\nanswer',
  newTokens: 3,
  finish: "stop",
  em: 0,
  f1: 0.25,
  goldInAnswer: 1,
  answerInGold: 0,
  empty: 0,
  forwardKl: 0.5,
  top1: 1,
  answerNll: 2,
  answerTokens: 4,
  seconds: 1,
};
const line = (one: SampleRow): string => `${JSON.stringify(one)}\n`;

describe("rows on disk", () => {
  test.each(["{", '{"sample":1', line(row).slice(0, -1)])(
    "a last line that was cut is taken off, and what is appended stands in its place: %j",
    async (torn) => {
      const path = write("rows.jsonl", line(row) + torn);
      const file = await openRowFile(path);
      expect(file.rows).toEqual([row]);
      await file.append([
        { ...row, sample: 1 },
        { ...row, sample: 2 },
      ]);
      await file.close();
      expect(readFileSync(path, "utf8")).toBe(line(row) + line({ ...row, sample: 1 }) + line({ ...row, sample: 2 }));
    },
  );

  test("cut at every byte: the whole rows before it, never an error", async () => {
    const text = Buffer.from(line({ ...row, answer: "é" }) + line({ ...row, sample: 1 }));
    const first = text.indexOf(0x0a) + 1;
    for (let end = 0; end <= text.length; end++) {
      const path = write("cut.jsonl", text.subarray(0, end));
      const file = await openRowFile(path);
      await file.close();
      expect(file.rows.length).toBe(end < first ? 0 : end < text.length ? 1 : 2);
      expect(readFileSync(path).length).toBe(end < first ? 0 : end < text.length ? first : text.length);
    }
  });

  test.each([
    ["not JSON", "{\n", /bad\.jsonl:2: the row is not JSON/],
    ["another shape", '{"sample":0}\n', /bad\.jsonl:2: the row is wrong\n {2}- passage: /],
    ["twice", line({ ...row, answer: "other" }), /bad\.jsonl:2: the row is there twice; got 0 h2o 90%/],
  ])("a whole line that is %s is refused and nothing is changed", async (_, bad, message) => {
    const path = write("bad.jsonl", line(row) + bad);
    await expect(openRowFile(path)).rejects.toThrow(message);
    expect(readFileSync(path, "utf8")).toBe(line(row) + bad);
  });
});

test("the table has kvpress's columns, the part removed as its ratio, and cells that hold anything", () => {
  const question = { question: "Why, then?", golds: ["a", 'b "c"'], answerPrefix: "It is", maxNewTokens: 32 };
  const questions = new Map([[0, question]]);
  const none: SampleRow = { ...row, method: "none", keep: null, rows: 5, answer: "", forwardKl: null };
  const failed: SampleRow = { ...none, rows: null };
  expect(predictionsCsv([row, none, failed], questions, "squad", ["goldInAnswer", "em", "f1"]).split("\r\n")).toEqual([
    "task,question,answer_prefix,answer,max_new_tokens,predicted_answer,compression_ratio,press_name,id,gold_in_answer,em,f1,forward_kl",
    'squad,"Why, then?",It is,"[""a"",""b \\""c\\""""]",32,"a ""quoted"",\nanswer",0.1,h2o,q,1,0,0.25,0.5',
    'squad,"Why, then?",It is,"[""a"",""b \\""c\\""""]",32,,0.9,none,q,1,0,0.25,',
    'squad,"Why, then?",It is,"[""a"",""b \\""c\\""""]",32,,,none,q,1,0,0.25,',
    "",
  ]);
});

test("settings are refused with all faults at once", () => {
  expect(checkEvalConfig(CONFIG)).toBe(CONFIG);
  const wrong = { limit: 0, methods: ["full", "h3o", "full"], keeps: [0.5, 0, 2, 0.5], seed: -1, maxNewTokens: 1.5 };
  let faults: readonly string[] = [];
  try {
    checkEvalConfig(wrong);
  } catch (error) {
    faults = (error as { facts: { faults: string[] } }).facts.faults;
  }
  expect(faults.map((fault) => fault.split(/[,;(]/)[0])).toEqual([
    "limit: expected a whole number from 1",
    "seed: expected a whole number from 0",
    "maxNewTokens: expected a whole number from 1",
    'methods: there is no method "h3o"',
    "keeps: expected more than 0",
    "keeps: expected more than 0",
    "methods: full twice",
    "keeps: 0.5 twice",
  ]);
  expect(() => checkEvalConfig({ ...CONFIG, methods: [], keeps: [] })).toThrow(/methods: [^]*keeps: /);
});

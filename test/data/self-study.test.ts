import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createDataReport } from "../../src/data/data-report.ts";
import { noRowsPath } from "../../src/data/prepare/answer-file.ts";
import { stylePrompts } from "../../src/data/prepare/prompts.ts";
import { readRows } from "../../src/data/read-rows.ts";
import type { RowFault } from "../../src/data/passage.ts";
import { cutPassages } from "../../src/data/self-study/cut-passages.ts";
import { readTexts, textFiles } from "../../src/data/self-study/read-texts.ts";
import { selfStudy, type SelfStudyOptions, type SelfStudyResult } from "../../src/data/self-study/self-study.ts";
import type { LanguageModel } from "../../src/models/language-model.ts";
import { loadModel } from "../../src/models/load-model.ts";
import { tinyModel } from "../models/tiny-models.ts";
import { all } from "./temp-file.ts";

let model: LanguageModel;
let folder = "";
beforeAll(async () => {
  model = await loadModel(tinyModel("llama"));
  folder = await mkdtemp(join(tmpdir(), "kv-distill-study-"));
});
afterAll(async () => {
  await model.close();
  await rm(folder, { recursive: true });
});

test("passages joined are the text, and none is over the size", () => {
  const piece = fc.constantFrom(
    "word ",
    "a",
    "End. ",
    "Why? ",
    "\n\n",
    "\n \n\n",
    "\n",
    "🦊",
    "。",
    "longerword",
    ")  ",
  );
  const text = fc.array(piece, { maxLength: 80 }).map((pieces) => pieces.join(""));
  fc.assert(
    fc.property(text, fc.integer({ min: 2, max: 30 }), (given, size) => {
      const passages = cutPassages(given, size, (part) => part.length);
      expect(passages.join("")).toBe(given);
      for (const passage of passages) expect(passage.length).toBeLessThanOrEqual(size);
      // No cut goes through a character.
      for (const passage of passages) expect(passage).not.toMatch(/\p{Cs}/u);
      // Neighbours would not have fit into one unless a better cut lies between them.
      if (size >= given.length) expect(passages).toHaveLength(given === "" ? 0 : 1);
    }),
  );
});

test("cuts are made between paragraphs, then sentences, then words", () => {
  const cut = (text: string, size: number): string[] => cutPassages(text, size, (part) => part.trim().length);
  expect(cut("one two\n\nthree\n\nfour", 15)).toEqual(["one two\n\nthree\n\n", "four"]);
  expect(cut("One. Two three! Four", 15)).toEqual(["One. Two three! ", "Four"]);
  expect(cut("one two three", 9)).toEqual(["one two ", "three"]);
  expect(cut("abcdef", 4)).toEqual(["abcd", "ef"]);
  // What is left of a cut paragraph goes on with the next.
  expect(cut("A bb. C dd.\n\nE", 8)).toEqual(["A bb. ", "C dd.\n\nE"]);
});

test("a folder's texts come in the order of their paths; what is no text is named", async () => {
  const texts = join(folder, "texts");
  await mkdir(join(texts, "b"), { recursive: true });
  await writeFile(join(texts, "c.txt"), "three\r\nlines");
  await writeFile(join(texts, "a.md"), "one");
  await writeFile(join(texts, "b", "x.TXT"), "two");
  await writeFile(join(texts, ".hidden.txt"), "no");
  await writeFile(join(texts, "picture.png"), "no");
  await writeFile(join(texts, "latin.txt"), Buffer.from([0x63, 0xe9]));
  await writeFile(join(texts, "zero.txt"), " \n ");
  await symlink(join(texts, "a.md"), join(texts, "link.txt"));
  const faults: RowFault[] = [];
  const read = await all(readTexts(await textFiles(texts), (fault) => faults.push(fault)));
  expect(read).toEqual([
    { name: "a.md", text: "one" },
    { name: join("b", "x.TXT"), text: "two" },
    { name: "c.txt", text: "three\nlines" },
  ]);
  expect(faults.map(({ file }) => file)).toEqual(
    ["latin.txt", "picture.png", "zero.txt"].map((name) => join(texts, name)),
  );
  await expect(textFiles(join(folder, "missing"))).rejects.toMatchObject({ code: "not-found" });
  const out = join(folder, "of-missing.jsonl");
  await expect(study(out, { texts: join(folder, "missing") })).rejects.toMatchObject({ code: "not-found" });
  await expect(readFile(out)).rejects.toThrow(/ENOENT/);
});

async function study(out: string, changes: Partial<SelfStudyOptions> = {}): Promise<SelfStudyResult> {
  const texts = join(folder, "study");
  await mkdir(texts, { recursive: true });
  const sentence = (i: number): string => `The fox number ${i} lives by the river and eats apples. `;
  await writeFile(join(texts, "fox.txt"), Array.from({ length: 6 }, (_, i) => sentence(i).repeat(2)).join("\n\n"));
  await writeFile(join(texts, "short.txt"), "Hi.");
  return selfStudy({
    model,
    prompts: stylePrompts(model.files),
    texts,
    out,
    kinds: ["reconstruct", "continue", "question"],
    openers: ["What", "Who"],
    minContextTokens: 12,
    maxContextTokens: 60,
    maxQuestionTokens: 8,
    maxAnswerTokens: 6,
    report: createDataReport(),
    ...changes,
  });
}

test("rows say what was read; a run in pieces writes what one run writes, and asks nothing twice", async () => {
  const [straight, broken] = [join(folder, "straight.jsonl"), join(folder, "broken.jsonl")];
  const result = await study(straight);
  expect(result.passages).toBeGreaterThan(1);
  expect(result.rows).toMatchObject({ reconstruct: result.passages, continue: result.passages - 1 });
  const whole = await readFile(straight, "utf8");
  const rows = await all(readRows(straight, ({ fault }) => expect.fail(fault)));
  const [first, next] = rows.filter(({ id }) => id.endsWith("continue") || id.endsWith("#2:reconstruct"));
  expect(first).toMatchObject({ style: "plain", question: "Continue the text above.", answerCut: true });
  expect(next?.context.startsWith(first?.answers[0] ?? "-")).toBe(true);
  const repeat = rows.find(({ id }) => id === "fox.txt#1:reconstruct");
  expect(repeat?.context.startsWith(repeat.answers[0] ?? "-")).toBe(true);
  // Two questions a passage, answered or given up.
  const none = (await readFile(noRowsPath(straight), "utf8")).trim().split("\n").filter(Boolean);
  expect(result.rows.question + none.length).toBe(2 * result.passages);

  await study(broken, { limit: 1 });
  const part = await readFile(broken, "utf8");
  expect(whole.startsWith(part)).toBe(true);
  await writeFile(broken, part.slice(0, -5));
  await study(broken);
  const sorted = (text: string): string[] => text.trim().split("\n").sort();
  expect(sorted(await readFile(broken, "utf8"))).toEqual(sorted(whole));

  // Other passages of the same text have the same ids.
  expect((await study(straight, { maxContextTokens: 40 })).rows.reconstruct).toBeGreaterThan(0);
  await writeFile(straight, whole);
  const again = await study(straight);
  expect(again.rows).toEqual({ reconstruct: 0, continue: 0, question: 0 });
  expect(await readFile(straight, "utf8")).toBe(whole);
});

test("short passages are counted, a stop is told, a folder without texts is refused", async () => {
  const report = createDataReport();
  await study(join(folder, "short.jsonl"), { report, kinds: ["reconstruct"] });
  expect(report.counts()).toEqual({ "context-too-short": 1 });
  const stopped = study(join(folder, "stopped.jsonl"), { signal: AbortSignal.abort() });
  await expect(stopped).rejects.toMatchObject({ code: "cancelled" });
  await mkdir(join(folder, "empty"));
  const empty = study(join(folder, "none.jsonl"), { texts: join(folder, "empty") });
  await expect(empty).rejects.toMatchObject({ code: "bad-argument" });
});

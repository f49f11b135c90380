import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createDataReport } from "../../src/data/data-report.ts";
import { keyOfTexts, openAnswerFile } from "../../src/data/prepare/answer-file.ts";
import { prepareAnswers, type PreparedAnswers } from "../../src/data/prepare/prepare-answers.ts";
import { readRows } from "../../src/data/read-rows.ts";
import { selfAnswers } from "../../src/data/self-answers.ts";
import { generate } from "../../src/generate/generate.ts";
import { contextLimit } from "../../src/models/config.ts";
import { type LanguageModel } from "../../src/models/language-model.ts";
import { loadModel, passagePromptOf } from "../../src/models/load-model.ts";
import { tinyModel } from "../models/tiny-models.ts";

let model: LanguageModel;
let folder = "";
beforeAll(async () => {
  model = await loadModel(tinyModel("llama"));
  folder = await mkdtemp(join(tmpdir(), "kv-distill-answers-"));
});
afterAll(async () => {
  await model.close();
  await rm(folder, { recursive: true });
});

const context = "A small fox lives by the river.";
const questions = ["Who?", "Where does it live, and why?", "x"];
const prepare = (data: string, out: string, report = createDataReport()): Promise<PreparedAnswers> =>
  prepareAnswers({
    model,
    prompt: passagePromptOf(model.files, "short-answer"),
    rows: readRows(data, () => undefined),
    out,
    maxAnswerTokens: 6,
    maxContextTokens: 80,
    report,
  });

test("questions answered side by side are answered as if alone", async () => {
  const prompt = passagePromptOf(model.files, "short-answer");
  const answers = await selfAnswers(model, prompt, { context, questions }, { maxTokens: 8 });
  expect(answers).toHaveLength(3);
  for (const [i, question] of questions.entries()) {
    let text = "";
    const promptIds = [...prompt.contextIds(context), ...prompt.questionIds(question)];
    for await (const piece of generate(model, { promptIds, maxTokens: 8 })) text += piece;
    expect(answers[i]?.text).toBe(text.trim());
  }
});

test("an interrupted file goes on, and the whole is what one run writes", async () => {
  const data = join(folder, "data.jsonl");
  const rows = ["one fox", "two dogs", "three birds"].flatMap((animal, i) =>
    questions.map((question, j) => ({ id: `${i}.${j}`, context: `There are ${animal} here.`, question, answer: "x" })),
  );
  await writeFile(data, rows.map((row) => JSON.stringify(row)).join("\n"));
  const [straight, broken] = [join(folder, "straight.jsonl"), join(folder, "broken.jsonl")];
  const result = await prepare(data, straight);
  expect(result).toMatchObject({ passages: 3, total: 3, before: 0 });
  expect(result.answered + result.empty).toBe(9);
  const whole = await readFile(straight, "utf8");

  // Killed in the middle of a line.
  await writeFile(broken, whole.slice(0, Math.floor(whole.length * 0.6)));
  await prepare(data, broken);
  const ids = (text: string): unknown[] =>
    text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown);
  expect(ids(await readFile(broken, "utf8"))).toEqual(ids(whole));
  expect((await prepare(data, straight)).answered).toBe(0);

  const faults: string[] = [];
  for await (const { answers, answerCut } of readRows(straight, ({ fault }) => faults.push(fault))) {
    expect(answers).toHaveLength(1);
    expect(answerCut ?? false).toBe(result.cut > 0);
  }
  expect(faults).toEqual([]);
});

test("a question whose answer was empty is not asked again", async () => {
  const [data, out] = [join(folder, "again.jsonl"), join(folder, "again-out.jsonl")];
  const rows = questions.map((question, i) => ({ id: `q${i}`, context, question, answer: "x" }));
  await writeFile(data, rows.map((row) => JSON.stringify(row)).join("\n"));
  const file = await openAnswerFile(out, () => "");
  await file.append(
    [],
    [{ id: "q1", key: keyOfTexts("q1", context, "Where does it live, and why?"), reason: "empty-answer" }],
  );
  await file.close();
  const result = await prepare(data, out);
  expect(result).toMatchObject({ before: 1 });
  expect(result.answered + result.empty).toBe(2);
  expect(await prepare(data, out)).toMatchObject({ before: 3, answered: 0, empty: 0 });
  expect(await readFile(out, "utf8")).not.toContain('"q1"');
});

test("files of one name in two folders are both answered, one after the other", async () => {
  const out = join(folder, "two-out.jsonl");
  const made = async (name: string, animal: string): Promise<string> => {
    await mkdir(join(folder, name));
    const path = join(folder, name, "train.jsonl");
    await writeFile(path, JSON.stringify({ context: `There is a ${animal} here.`, question: "Who?", answer: "x" }));
    return path;
  };
  const [a, b] = [await made("a", "fox"), await made("b", "dog")];
  expect(await prepare(a, out)).toMatchObject({ before: 0 });
  const second = await prepare(b, out);
  expect(second).toMatchObject({ before: 0 });
  expect(second.answered + second.empty).toBe(1);
  expect(await prepare(a, out)).toMatchObject({ before: 1, answered: 0, empty: 0 });
});

test("a question that the model cannot read is left out, and the next is answered", async () => {
  const [data, out] = [join(folder, "long.jsonl"), join(folder, "long-out.jsonl")];
  const long = "why ".repeat(contextLimit(model.config));
  const rows = [long, "Who?"].map((question, i) => ({ id: `l${i}`, context, question, answer: "x" }));
  await writeFile(data, rows.map((row) => JSON.stringify(row)).join("\n"));
  const report = createDataReport();
  const result = await prepare(data, out, report);
  expect(result.answered + result.empty).toBe(1);
  expect(report.counts()).toMatchObject({ "question-too-long": 1 });
});

test("a file of something else is not touched", async () => {
  const data = join(folder, "for-notes.jsonl");
  await writeFile(data, JSON.stringify({ context, question: "Who?", answer: "x" }));
  for (const text of ["# Notes\nlast line", '{"other": 1}\n', "x"]) {
    const notes = join(folder, "notes.md");
    await writeFile(notes, text);
    await expect(prepare(data, notes)).rejects.toMatchObject({ code: "bad-argument" });
    expect(await readFile(notes, "utf8")).toBe(text);
  }
});

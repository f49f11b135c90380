import fc from "fast-check";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { createDataReport } from "../../src/data/data-report.ts";
import { evaluate, type EvaluationResult } from "../../src/evaluate/run/evaluate.ts";
import { fidelityTask } from "../../src/evaluate/tasks/fidelity.ts";
import { haystackFiles, readHaystack, sentencesOf } from "../../src/evaluate/tasks/haystack.ts";
import { largestFitting } from "../../src/evaluate/tasks/largest-fitting.ts";
import { LONGBENCH } from "../../src/evaluate/metrics/longbench/datasets.ts";
import { longBenchTask } from "../../src/evaluate/tasks/longbench.ts";
import { LONGBENCH_PROMPTS } from "../../src/evaluate/tasks/longbench-prompts.ts";
import { govreportTask, squalityTask } from "../../src/evaluate/tasks/summaries.ts";
import { DEFAULT_NEEDLE, hide, needleTask } from "../../src/evaluate/tasks/needle.ts";
import { qualityTask, writtenLetter } from "../../src/evaluate/tasks/quality.ts";
import { squadTask } from "../../src/evaluate/tasks/squad.ts";
import type { Outcome, Task, TaskPassage, TaskSurroundings } from "../../src/evaluate/tasks/task.ts";
import { parseRow } from "../../src/evaluate/run/row-file.ts";
import type { SampleRow } from "../../src/evaluate/run/sample-row.ts";
import { createPassagePrompt } from "../../src/models/passage-prompt.ts";
import { rendererOf } from "../../src/models/renderer-of.ts";
import { CONFIG, jsonLines, ROWS, useRoomyModel } from "./tiny-run.ts";

vi.setConfig({ testTimeout: 180_000 });

const { model, work } = useRoomyModel();
let runs = 0;

async function run(
  task: Task,
  config: Partial<typeof CONFIG> = {},
): Promise<{ result: EvaluationResult; rows: SampleRow[]; notes: string[]; out: string }> {
  const out = join(work(), `task-run-${++runs}`);
  const notes: string[] = [];
  const result = await evaluate({
    model: model(),
    task,
    config: { ...CONFIG, methods: ["full", "none", "h2o"], keeps: [0.5], maxNewTokens: null, ...config },
    out,
    onNote: (line) => notes.push(line),
  });
  const text = await readFile(join(out, "samples.jsonl"), "utf8");
  return {
    result,
    notes,
    out,
    rows: text
      .trimEnd()
      .split("\n")
      .map((line, i) => parseRow(line, String(i + 1))),
  };
}

async function file(name: string, text: string): Promise<string> {
  const path = join(work(), name);
  await writeFile(path, text);
  return path;
}

async function passagesOf(
  task: Task,
  seed = 0,
  onNote: (line: string) => void = () => undefined,
): Promise<TaskPassage[]> {
  const passages: TaskPassage[] = [];
  const countPrompt: TaskSurroundings["countPrompt"] = ({ context, question = "", answerPrefix = "" }) =>
    [context, question, answerPrefix].join(" ").trim().split(/\s+/).length;
  const surroundings = { countPrompt, seed, notes: createDataReport(), onNote };
  for await (const passage of task.passages(surroundings)) passages.push(passage);
  return passages;
}

const ARTICLE = Array.from({ length: 12 }, (_, i) => `Line ${i} tells of ship ${i * 7}.`).join(" ");
const quality = [2, 4].map((options, i) => ({
  article: `${ARTICLE} ${i}`,
  set_unique_id: `set${i}`,
  questions: [0, 1].map((hard) => ({
    question: "Which ship?",
    question_unique_id: `set${i}-q${hard}`,
    options: ["one", "two", "three", "four"].slice(0, options),
    gold_label: 2,
    difficult: hard,
  })),
}));

const said = (written: string, choice?: number): Outcome => ({ written, answer: written.trim(), choice });

describe("quality", () => {
  test("letters by likelihood and as written; hard questions and numbers of options apart", async () => {
    const task = qualityTask([await file("quality.jsonl", quality.map((row) => `${JSON.stringify(row)}\n`).join(""))]);
    const { result, rows } = await run(task);
    expect(result.metrics).toEqual(["accuracy", "writtenAccuracy"]);
    expect(result.identity.config.maxNewTokens).toBe(8);
    for (const { choice, accuracy, answer, writtenAccuracy, facts, answerTokens } of rows) {
      expect(choice).toBeLessThan(Number(facts?.options));
      expect(accuracy).toBe(choice === 1 ? 1 : 0);
      expect(writtenAccuracy).toBe(writtenLetter(answer, ["A", "B", "C", "D"]) === "B" ? 1 : 0);
      expect(answerTokens).toBe(2);
    }
    expect(result.results[0]?.breakdown?.map(({ facts, n }) => [facts, n])).toEqual(
      [2, 4].flatMap((options) => [false, true].map((hard) => [{ options, hard }, 1])),
    );
  });

  test("the letter is the likeliest of the letters' tokens after the prompt", async () => {
    const texts = [
      "the log",
      "cat",
      "2019 2020 2021",
      "sat on it and went home",
      "a dog, a dog, a dog!",
      "Ships? 7 of 9.",
      "é\n\nx",
    ];
    const articles = texts.map((text, i) => ({
      article: `${text} `.repeat(1 + (i % 4)),
      set_unique_id: `set${i}`,
      questions: [0, 1].map((at) => ({
        question: at === 0 ? text : `Which of them, ${i * 31}?`,
        question_unique_id: `set${i}-q${at}`,
        options: [text, "one", "two", "three"],
        gold_label: 1,
      })),
    }));
    const task = qualityTask([await file("letters.jsonl", articles.map((row) => JSON.stringify(row)).join("\n"))]);
    const { rows } = await run(task, { methods: ["full"] });
    const { files } = model();
    const prompt = createPassagePrompt({
      render: rendererOf(files),
      encode: (parts) => files.tokenizer.encodeParts(parts),
      stopIds: files.tokenizer.eosIds,
      ask: task.style.ask,
    });
    const choices: number[] = [];
    for (const passage of await passagesOf(task)) {
      for (const { question } of passage.questions) {
        const ids = [...prompt.contextIds(passage.context), ...prompt.questionIds(question)];
        const cache = await model().newCache();
        const { data } = await model().forward({ ids, cache, logitRows: [ids.length - 1] });
        cache.release();
        const letters = ["A", "B", "C", "D"].map((letter) => data[prompt.answerIds(letter)[0] ?? NaN] ?? NaN);
        choices.push(letters.indexOf(Math.max(...letters)));
      }
    }
    expect(rows.map(({ choice }) => choice)).toEqual(choices);
    expect(choices.some((choice) => choice > 0)).toBe(true);
  });

  test("options stand under letters, the gold answer is one", async () => {
    const [first] = await passagesOf(qualityTask([await file("one.jsonl", `${JSON.stringify(quality[1])}\n`)]));
    const asked = first?.questions[0];
    expect(asked?.question).toBe("Which ship?\nA. one\nB. two\nC. three\nD. four");
    expect(asked?.answers).toEqual(["B"]);
    expect(asked?.score(said("I think A, no", 1))).toEqual({ accuracy: 1, writtenAccuracy: 0 });
    expect(asked?.score(said("(B)", 0))).toEqual({ accuracy: 0, writtenAccuracy: 1 });
    expect(asked?.score(said("", undefined))).toEqual({ accuracy: 0, writtenAccuracy: 0 });
  });

  test.each([
    ["B", "B"],
    ["The answer is C.", "C"],
    ["Because of D", "D"],
    ["b", undefined],
    ["None", undefined],
    ["E", undefined],
    ["ÀB", undefined],
  ])("%j says %j", (answer, letter) => {
    expect(writtenLetter(answer, ["A", "B", "C", "D"])).toBe(letter);
  });
});

describe("folds", () => {
  test("as many rows of the whole as asked, each fold its share; the full cache is not folded", async () => {
    const task = squadTask(await file("long.jsonl", jsonLines([{ ...ROWS[0], context: ARTICLE } as (typeof ROWS)[0]])));
    const straight = await run(task);
    const folded = await run(task, { fold: 40 });
    const of = (rows: readonly SampleRow[], method: string): SampleRow | undefined =>
      rows.find((row) => row.method === method);
    const full = of(folded.rows, "full");
    expect(full?.contextTokens).toBeGreaterThan(80);
    expect({ ...full, seconds: 0 }).toEqual({ ...of(straight.rows, "full"), seconds: 0 });
    expect(of(folded.rows, "none")?.forwardKl).toBeCloseTo(of(straight.rows, "none")?.forwardKl ?? NaN, 5);
    const [one, other] = [of(straight.rows, "h2o"), of(folded.rows, "h2o")];
    expect(other?.rows).toBe(one?.rows);
    expect(other?.forwardKl).not.toBe(one?.forwardKl);
    expect(folded.result.identity.config.fold).toBe(40);
    const kept = (await readFile(join(folded.out, "kept.jsonl"), "utf8")).trimEnd().split("\n");
    const line = kept.map((text) => JSON.parse(text) as { method?: string; holders?: number[] });
    const holders = line.find(({ method }) => method === "h2o")?.holders ?? [];
    // Every stretch of the text has kept rows.
    for (let at = 0; at + 40 <= holders.length; at += 40) {
      expect(holders.slice(at, at + 40).some((count) => count > 0)).toBe(true);
    }
  });

  test("a text longer than the model reads: the full cache fails, folds answer, and there is nothing to compare with", async () => {
    const context = Array.from({ length: 60 }, (_, i) => `Line ${i} tells of ship ${i * 7}.`).join(" ");
    const task = squadTask(await file("longer.jsonl", jsonLines([{ ...ROWS[0], context } as (typeof ROWS)[0]])));
    const { rows, result } = await run(task, { fold: 100, keeps: [0.1] });
    expect(rows.map(({ method, failure }) => [method, failure?.code]).sort()).toEqual([
      ["full", "context-too-long"],
      ["h2o", undefined],
      ["none", undefined],
    ]);
    const distilled = rows.find(({ method }) => method === "h2o");
    expect(distilled).toMatchObject({ forwardKl: null, top1: null });
    expect(distilled?.newTokens).toBeGreaterThan(0);
    expect(result.results.map(({ klN }) => klN)).toEqual([0, 0, 0]);
  });
});

test("question-aware methods compress for each question, are marked, and see no other question", async () => {
  const task = squadTask(await file("aware.jsonl", jsonLines(ROWS.slice(3, 6))));
  const { result, rows, out } = await run(task, { methods: ["full", "snapkv-question"], keeps: [0.25] });
  expect(result.results.map(({ questionAware }) => questionAware)).toEqual([undefined, true]);
  const kept = (await readFile(join(out, "kept.jsonl"), "utf8")).split("\n").filter((line) => line.includes("snapkv"));
  expect(kept.length).toBe(3);
  const alone = await run(squadTask(await file("aware-2.jsonl", jsonLines(ROWS.slice(4, 5)))), {
    methods: ["full", "snapkv-question"],
    keeps: [0.25],
  });
  const second = rows.find(({ id, method }) => id === "q4" && method === "snapkv-question");
  expect(second?.forwardKl).toBeCloseTo(alone.rows[1]?.forwardKl ?? NaN, 4);
});

describe("fidelity", () => {
  test("generates nothing, compares everything; long golds are cut where the run says, and that is told", async () => {
    const path = await file("triples.jsonl", jsonLines(ROWS));
    const { result, rows, notes } = await run(fidelityTask([path]), { goldTokens: 2 });
    expect(result.metrics).toEqual([]);
    for (const row of rows) expect(row).toMatchObject({ answer: "", newTokens: 0, finish: "none" });
    expect(rows.every(({ empty, em }) => empty === undefined && em === undefined)).toBe(true);
    expect(Math.max(...rows.map(({ answerTokens }) => answerTokens))).toBe(2);
    expect(notes.join("\n")).toMatch(/compared at their first 2 tokens: \d/);
    const [full, none] = result.results;
    expect(full).toMatchObject({ forwardKl: 0, top1Agreement: 100, emptyRate: null, cutRate: null });
    expect(none?.forwardKl).toBeGreaterThan(0);
    expect(none?.intervals.forwardKl?.high).toBeGreaterThan(0);
  });

  test("its divergence is that of the same questions when answers are generated too", async () => {
    const path = await file("both.jsonl", jsonLines(ROWS));
    const kl = async (task: Task): Promise<unknown[]> =>
      (await run(task)).rows.map(({ sample, method, forwardKl, answerNll }) => [sample, method, forwardKl, answerNll]);
    expect(await kl(fidelityTask([path]))).toEqual(await kl(squadTask(path)));
  });
});

describe("needle", () => {
  const sentences = Array.from({ length: 50 }, (_, i) => `Sentence number ${i} is here.`);

  test("every depth of every length, never longer than asked, with room for no more sentences", async () => {
    const settings = { ...DEFAULT_NEEDLE, lengths: [60, 90], depths: [0, 0.5, 1], samples: 2 };
    const passages = await passagesOf(await needleTask(await file("hay.txt", sentences.join("\n")), settings));
    expect(passages.map(({ questions: [one] }) => one?.facts)).toEqual(
      [1, 2].flatMap(() => [60, 90].flatMap((length) => [0, 0.5, 1].map((depth) => ({ length, depth })))),
    );
    for (const { context, questions } of passages) {
      const length = Number(questions[0]?.facts?.length);
      const words = context.split(" ").length;
      expect(words).toBeLessThanOrEqual(length);
      expect(words).toBeGreaterThan(length - 5);
      const depth = Number(questions[0]?.facts?.depth);
      const at = context.indexOf(settings.needle) / (context.length - settings.needle.length);
      expect(Math.abs(at - depth)).toBeLessThan(0.1);
      expect(context.split(settings.needle)).toHaveLength(2);
    }
    expect(new Set(passages.map(({ id }) => id)).size).toBe(12);
  });

  test("a seed gives the same texts, another one others", async () => {
    const settings = { ...DEFAULT_NEEDLE, lengths: [80], depths: [0.5], samples: 3 };
    const path = await file("seeded.txt", sentences.join(" "));
    const texts = async (seed: number): Promise<string[]> =>
      (await passagesOf(await needleTask(path, settings), seed)).map(({ context }) => context);
    expect(await texts(1)).toEqual(await texts(1));
    expect(await texts(2)).not.toEqual(await texts(1));
  });

  test("hiding keeps sentences whole and in order", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ minLength: 1, maxLength: 9 }), { maxLength: 9 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (parts, depth) => {
          const whole = parts.map((part, i) => `<${i}${part.replaceAll(" ", "")}>`);
          const hidden = hide(whole, "NEEDLE", depth).split(" ");
          expect(hidden.filter((part) => part !== "NEEDLE")).toEqual(whole);
          expect(hidden.length).toBe(whole.length + 1);
        },
      ),
    );
    expect(hide(["a", "b"], "n", 0)).toBe("n a b");
    expect(hide(["a", "b"], "n", 1)).toBe("a b n");
  });

  test("a length that whole sentences leave a good part of empty is told", async () => {
    const long = Array.from({ length: 4 }, (_, i) => `Sentence ${i} ${"word ".repeat(47)}ends.`).join(" ");
    const settings = { ...DEFAULT_NEEDLE, lengths: [72, 110], depths: [0, 1], samples: 1 };
    const notes: string[] = [];
    await passagesOf(await needleTask(await file("long.txt", long), settings), 0, (line) => notes.push(line));
    expect(notes).toEqual(["needle: the sentences of haystack 1 fill 71 of 110 tokens; the next one is too long"]);
  });

  test("a length without room for it is refused", async () => {
    const task = await needleTask(await file("short.txt", "A b c."), {
      ...DEFAULT_NEEDLE,
      lengths: [5],
      depths: [0],
      samples: 1,
    });
    await expect(passagesOf(task)).rejects.toMatchObject({ code: "bad-argument", facts: { got: "5" } });
  });

  test("runs: results by length and depth", async () => {
    const settings = { ...DEFAULT_NEEDLE, lengths: [120], depths: [0, 1], samples: 1 };
    const path = await file("run.txt", sentences.join(" "));
    const { result, rows } = await run(await needleTask(path, settings), { maxNewTokens: 3 });
    for (const { contextTokens } of rows) {
      expect(contextTokens).toBeLessThanOrEqual(120);
      expect(contextTokens).toBeGreaterThan(85);
    }
    expect(result.identity.taskSettings).toEqual(settings);
    expect(result.results[2]?.breakdown?.map(({ facts }) => facts)).toEqual([
      { length: 120, depth: 0 },
      { length: 120, depth: 1 },
    ]);
  });
});

describe("haystacks", () => {
  test("a folder's texts in order of their names, JSON Lines by their text; white space is single", async () => {
    const folder = join(work(), "hay");
    await mkdir(folder);
    await writeFile(join(folder, "b.txt"), "Second\n\ntext.");
    await writeFile(join(folder, "a.jsonl"), '{"text":"First\\t text."}\n{"no":1}\n');
    await writeFile(join(folder, "note.md"), "not this");
    const report = createDataReport();
    const files = await haystackFiles(folder);
    expect(await readHaystack(files, report)).toBe("First text. Second text.");
    expect(report.counts()["malformed-row"]).toBe(1);
  });

  test("without text, or without a file, they are refused", async () => {
    await expect(readHaystack([await file("none.txt", " \n")], createDataReport())).rejects.toMatchObject({
      code: "bad-file",
    });
    await expect(readHaystack([join(work(), "missing.txt")], createDataReport())).rejects.toMatchObject({
      code: "not-found",
    });
  });

  test("sentences, joined again, are the text", () => {
    const text = 'He said "Go!" She went. e.g. this one? Yes... no. Été vint. 3 left.';
    expect(sentencesOf(text)).toEqual([
      'He said "Go!"',
      "She went. e.g. this one?",
      "Yes... no.",
      "Été vint.",
      "3 left.",
    ]);
    fc.assert(
      fc.property(fc.array(fc.constantFrom("A.", "b!", "“C.”", "d", "E?", "5."), { minLength: 1 }), (words) => {
        expect(sentencesOf(words.join(" ")).join(" ")).toBe(words.join(" "));
      }),
    );
  });
});

test("the largest that fits is found, or none", () => {
  fc.assert(
    fc.property(fc.nat(5000), fc.nat(50), (limit, least) => {
      const found = largestFitting(least, (size) => size <= limit);
      expect(found).toBe(least <= limit ? limit : undefined);
    }),
  );
});

describe("summaries", () => {
  test("SQuALITY by the best of its golds; GovReport's rows of report and summary", async () => {
    const story = {
      id: "s",
      context: ARTICLE,
      qas: [{ question: "What happens?", answers: ["A ship sails", "Ships"] }],
    };
    const [one] = await passagesOf(squalityTask([await file("squality.jsonl", `${JSON.stringify(story)}\n`)]));
    expect(one?.questions[0]?.score(said("the ship sails"))).toEqual({ rougeL: 2 / 3 });
    const rows = [{ id: 7, report: ARTICLE, summary: "It tells of ships." }, { report: "x" }];
    const path = await file("govreport.jsonl", rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    const { result, rows: made } = await run(govreportTask([path]), { maxNewTokens: 5 });
    expect(result.data.malformedRows).toBe(1);
    expect(made.map(({ id }) => id)).toEqual(["7", "7", "7"]);
    expect(result.results[0]?.rougeL).toBe(100 * (made[0]?.rougeL ?? NaN));
  });
});

describe("LongBench", () => {
  const row = (dataset: string, more: object = {}): object => ({
    input: "Who?",
    context: "Ann sells $& apples. ",
    answers: ["Ann", "she"],
    length: 3,
    dataset,
    language: "en",
    all_classes: null,
    _id: `${dataset}-1`,
    ...more,
  });

  test("prompts are the published ones, whole: context with what stands before it, then what follows", async () => {
    const rows = Object.keys(LONGBENCH).map((dataset) => JSON.stringify(row(dataset)));
    const passages = await passagesOf(longBenchTask([await file("longbench.jsonl", rows.join("\n"))]));
    expect(passages.map(({ questions: [one] }) => one?.facts?.dataset)).toEqual(Object.keys(LONGBENCH));
    for (const { context, questions, style, maxNewTokens } of passages) {
      const dataset = String(questions[0]?.facts?.dataset);
      const published = (LONGBENCH_PROMPTS[dataset] ?? "")
        .replace("{context}", () => "Ann sells $& apples. ")
        .replace("{input}", () => "Who?");
      expect(context.trim() + (style?.ask(questions[0]?.question.trim() ?? "") ?? "")).toBe(published);
      expect(maxNewTokens).toBe(LONGBENCH[dataset]?.maxNewTokens);
      expect(style?.chat).toBe(!["trec", "triviaqa", "samsum", "lcc", "repobench-p"].includes(dataset));
    }
  });

  test("runs with and without the chat template, each data set with its own limit and row of results", async () => {
    const rows = [row("multifieldqa_en"), row("trec", { input: "Question: Who?\nType:", all_classes: ["Ann", "Bob"] })];
    const path = await file("two.jsonl", rows.map((each) => JSON.stringify(each)).join("\n"));
    const { result, rows: made, out } = await run(longBenchTask([path]), { methods: ["full", "none"] });
    expect(result.identity.config.maxNewTokens).toBeNull();
    expect(Math.max(...made.map(({ newTokens }) => newTokens))).toBeGreaterThan(8);
    expect(result.results[0]?.breakdown?.map(({ facts }) => facts)).toEqual([
      { dataset: "multifieldqa_en" },
      { dataset: "trec" },
    ]);
    const kept = await readFile(join(out, "kept.jsonl"), "utf8");
    const texts = kept
      .split("\n")
      .flatMap((line) => (line.includes('"text"') ? [(JSON.parse(line) as { text: string }).text] : []));
    expect(texts[1]).toBe(
      "Please determine the type of the question below. Here are some examples of questions.\n\nAnn sells $& apples.",
    );
    expect(texts[0]).toMatch(/Read the following text and answer briefly\.\n\nAnn sells \$& apples\.$/);
    expect(await readFile(join(out, "predictions.csv"), "utf8")).toMatch(/^longbench,[^]*\]",64,/m);
  });

  test("Chinese data sets are refused by name", async () => {
    const path = await file("zh.jsonl", JSON.stringify(row("dureader")));
    await expect(passagesOf(longBenchTask([path]))).rejects.toMatchObject({
      code: "unsupported",
      facts: { got: "dureader" },
    });
  });
});

import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createDataReport } from "../../src/data/data-report.ts";
import { stringMatch } from "../../src/evaluate/metrics/string-match.ts";
import { hotpotDocuments, squadDocuments } from "../../src/evaluate/tasks/ruler/documents.ts";
import { RULER_TASKS, rulerTask } from "../../src/evaluate/tasks/ruler/task.ts";
import type { TaskPassage, TaskSurroundings } from "../../src/evaluate/tasks/task.ts";

interface Settings {
  template: string;
  answer_prefix: string;
  tokens_to_generate: number;
  args: Record<string, string | number>;
  metric: "string_match_all" | "string_match_part";
}
const golden = (name: string): string => readFileSync(new URL(`../golden/ruler/${name}`, import.meta.url), "utf8");
const published = JSON.parse(golden("settings.json")) as Record<string, Settings>;

function settingsOf(name: string): Settings {
  const settings = published[name];
  if (settings === undefined) throw new Error(`there are no settings of ${name}`);
  return settings;
}

const SENTENCES = Array.from({ length: 30 }, (_, i) => `Sentence ${i} of the essay says little.`);
const SQUAD = {
  version: "v2.0",
  data: ["Ships", "Trees"].map((title) => ({
    title,
    paragraphs: [0, 1, 2].map((p) => ({
      context: `${title} paragraph ${p}.`,
      qas: [
        { id: `${title}${p}`, question: `What is ${title} ${p}?`, answers: [{ text: title }, { text: `${p}` }] },
        { id: `${title}${p}x`, question: "Impossible?", answers: [], is_impossible: true },
      ],
    })),
  })),
};
const HOTPOT = [0, 1, 2].map((i) => ({
  _id: String(i),
  question: `Hot ${i}?`,
  answer: `answer ${i}`,
  context: [0, 1].map((p) => [`Title ${i}${p}`, [`First ${i}.`, ` Second ${p}.`]]),
}));

let folder = "";
const path = (name: string): string => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kv-distill-ruler-"));
  await writeFile(path("essay.txt"), SENTENCES.join(" "));
  await writeFile(path("squad.json"), JSON.stringify(SQUAD));
  await writeFile(path("hotpot.json"), JSON.stringify(HOTPOT));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const countPrompt: TaskSurroundings["countPrompt"] = ({ context, question = "", answerPrefix = "" }) =>
  [context, question, answerPrefix].join(" ").trim().split(/\s+/).length;

async function made(tasks: readonly string[], length = 700, samples = 2, seed = 0): Promise<TaskPassage[]> {
  const files = { haystack: path("essay.txt"), squad: path("squad.json"), hotpot: path("hotpot.json") };
  const task = await rulerTask({ tasks, lengths: [length], samples }, files);
  const passages: TaskPassage[] = [];
  const surroundings = { countPrompt, seed, notes: createDataReport(), onNote: () => undefined };
  for await (const passage of task.passages(surroundings)) passages.push(passage);
  return passages;
}

const score = (passage: TaskPassage | undefined, answer: string): number | undefined =>
  passage?.questions[0]?.score({ answer, written: answer, choice: undefined }).stringMatch;

test("the tasks are the published thirteen", () => {
  expect([...RULER_TASKS].sort()).toEqual(Object.keys(published).sort());
});

describe.each(RULER_TASKS)("%s", (name) => {
  const { template, answer_prefix: prefix, tokens_to_generate: newTokens, args, metric } = settingsOf(name);

  test("reads as the published template, fits, and its own answer is right", async () => {
    const passages = await made([name]);
    expect(passages).toHaveLength(2);
    const single = Number(args.num_needle_q ?? 2) * Number(args.num_needle_v ?? 1) === 1;
    // As niah.py changes its template for one needle.
    const wording = (text: string): string =>
      single ? text.replaceAll("Some", "A").replaceAll("are all", "is").replaceAll("are", "is") : text;
    const pattern = wording(template + prefix)
      .replaceAll(/[.*+?^$()|[\]\\]/g, "\\$&")
      .replaceAll(/\{(\w+)\}/g, (_, field: string) => (field === "context" ? "[^]*" : "[^\n]*?"))
      .trimEnd();
    for (const passage of passages) {
      const { context, questions, maxNewTokens, style } = passage;
      const [asked] = questions;
      const { question = "", answerPrefix = "", answers = [] } = asked ?? {};
      expect(`${context}${style?.ask(question) ?? ""} ${answerPrefix}`).toMatch(new RegExp(`${pattern}$`));
      expect(maxNewTokens).toBe(newTokens);
      expect(asked?.facts).toEqual({ task: name, length: 700 });
      expect(countPrompt({ context, question, answerPrefix }) + newTokens).toBeLessThanOrEqual(700);
      expect(score(passage, answers[0] ?? "")).toBe(1);
      expect(score(passage, (answers[0] ?? "").toUpperCase())).toBe(1);
      expect(score(passage, "nothing of it")).toBe(0);
    }
    const [one, other] = passages;
    expect(one?.context).not.toBe(other?.context);
    expect(metric).toBe(name.startsWith("qa_") ? "string_match_part" : "string_match_all");
  });

  test("a seed makes the same samples, whatever else is made", async () => {
    const [first] = await made([name], 700, 1, 5);
    const beside = await made(
      ["vt", name].filter((own, i, all) => all.indexOf(own) === i),
      700,
      1,
      5,
    );
    expect(beside.find(({ source }) => source === `ruler_${name}`)?.context).toBe(first?.context);
  });
});

describe("needles", () => {
  test.each(Object.keys(published).filter((name) => name.startsWith("niah")))(
    "%s hides as many as published",
    async (name) => {
      const { args } = settingsOf(name);
      const [passage] = await made([name], 900, 1);
      const { question = "", answers = [] } = passage?.questions[0] ?? {};
      const lines = passage?.context.match(/One of the special magic (\w+) for (.+?) is: (.+?)\./g) ?? [];
      const hidden = Math.max(Number(args.num_needle_k), Number(args.num_needle_q)) * Number(args.num_needle_v);
      if (args.type_haystack === "needle") expect(lines.length).toBeGreaterThan(10);
      else expect(lines.length).toBe(hidden);
      const values = answers[0]?.split(/, and |, /) ?? [];
      expect(values.length).toBe(Number(args.num_needle_q) * Number(args.num_needle_v));
      const kind = { numbers: /^\d{7}$/, uuids: /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/ };
      for (const value of values) {
        expect(value).toMatch(kind[args.type_needle_v as "numbers"]);
        // Each value stands once, with a key that is asked for.
        const own = lines.filter((line) => line.includes(value));
        expect(own).toHaveLength(1);
        const key = / for (.+?) is: /.exec(own[0] ?? "")?.[1] ?? "?";
        expect(question).toContain(key);
      }
    },
  );

  test("an answer with some of the values counts for as many", async () => {
    const [passage] = await made(["niah_multivalue"], 900, 1);
    const values = passage?.questions[0]?.answers[0]?.split(/, and |, /) ?? [];
    expect(score(passage, `${values[0] ?? ""} and ${values[2] ?? ""}`)).toBe(0.5);
  });

  test("sentences of the essay stay in order around them, and the essay begins anew where it ends", async () => {
    const [passage] = await made(["niah_multikey_1"], 900, 1);
    const rest = (passage?.context.split("\n")[1] ?? "").replaceAll(
      /One of the special magic numbers for .+? is: \d+\. ?/g,
      "",
    );
    const words = SENTENCES.join(" ").split(" ");
    const read = rest.trim().split(/\s+/);
    expect(read.length).toBeGreaterThan(words.length);
    expect(read).toEqual(read.map((_, i) => words[i % words.length]));
  });
});

test("variables: five in a chain, in order, whose last is traced to the value", async () => {
  const [passage] = await made(["vt"], 900, 1);
  const lines = passage?.context.split("\n").filter((line) => line.startsWith("VAR ")) ?? [];
  expect(lines).toHaveLength(5);
  const names = passage?.questions[0]?.answers[0]?.split(" ") ?? [];
  lines.forEach((line, i) => {
    expect(line.trim()).toMatch(
      i === 0 ? new RegExp(`^VAR ${names[0] ?? ""} = \\d{5}$`) : `VAR ${names[i] ?? ""} = VAR ${names[i - 1] ?? ""}`,
    );
  });
});

test("common words are the ten that come more often, by how much depends on the length", async () => {
  for (const [length, most, least] of [
    [900, 6, 1],
    [6000, 30, 3],
  ] as const) {
    const [passage] = await made(["cwe"], length, 1);
    const own = passage?.context.split("\n").at(-1) ?? "";
    const words = own.split(/(?:^| )\d+\. /).slice(1);
    const counts = new Map<string, number>();
    for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
    expect([...new Set(counts.values())].sort((a, b) => a - b)).toEqual([least, most]);
    const common = [...counts].filter(([, count]) => count === most).map(([word]) => word);
    const answer = passage?.questions[0]?.answers[0] ?? "";
    expect(
      answer
        .split(/(?:^| )\d+\. /)
        .slice(1)
        .sort(),
    ).toEqual(common.sort());
    expect(common).toHaveLength(10);
  }
});

test("frequent words: the three behind the dots, each more often than the next", async () => {
  const [passage] = await made(["fwe"], 900, 1);
  const text = passage?.context.split("coded words. ")[1] ?? "";
  const counts = new Map<string, number>();
  for (const word of text.split(" ")) counts.set(word, (counts.get(word) ?? 0) + 1);
  const ranked = [...counts].sort((a, b) => b[1] - a[1]);
  expect(ranked[0]?.[0]).toBe("...");
  expect(ranked.slice(1, 4).map(([word]) => word)).toEqual(passage?.questions[0]?.answers[0]?.split(/, and |, /));
  expect(new Set(ranked.slice(0, 5).map(([, count]) => count)).size).toBe(5);
});

describe("documents", () => {
  const report = createDataReport();

  test("SQuAD: unanswerable questions are left out; the nearest are those of the article", async () => {
    const { documents, questions } = await squadDocuments(path("squad.json"), report);
    expect(documents).toHaveLength(6);
    expect(questions.map(({ question, about, near }) => [question, about, near])).toEqual(
      [0, 1, 2, 3, 4, 5].map((i) => [
        `What is ${i < 3 ? "Ships" : "Trees"} ${i % 3}?`,
        [i],
        (i < 3 ? [0, 1, 2] : [3, 4, 5]).filter((other) => other !== i),
      ]),
    );
  });

  test("rows with a title do as well", async () => {
    const rows = SQUAD.data.flatMap(({ title, paragraphs }) =>
      paragraphs.map(({ context, qas }) => ({
        id: context,
        title,
        context,
        question: qas[0]?.question,
        answers: [title],
      })),
    );
    await writeFile(path("squad.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    const official = await squadDocuments(path("squad.json"), report);
    const { documents, questions } = await squadDocuments(path("squad.jsonl"), report);
    expect(documents).toEqual(official.documents);
    expect(questions.map(({ near }) => near)).toEqual(official.questions.map(({ near }) => near));
  });

  test("HotpotQA: a question is about all of its paragraphs; malformed rows are counted", async () => {
    await writeFile(path("hot-broken.json"), JSON.stringify([...HOTPOT, { question: "x" }]));
    const counting = createDataReport();
    const { documents, questions } = await hotpotDocuments(path("hot-broken.json"), counting);
    expect(documents[1]).toBe("Title 01\nFirst 0. Second 1.");
    expect(questions.map(({ about }) => about)).toEqual([
      [0, 1],
      [2, 3],
      [4, 5],
    ]);
    expect(counting.counts()["malformed-row"]).toBe(1);
  });

  test("the right documents are always there, numbered, none twice", async () => {
    for (const [name, wanted] of [
      ["qa_1", ["Ships paragraph 0."]],
      ["qa_2", ["Title 00", "Title 01"]],
    ] as const) {
      const [passage] = await made([name], 120, 1);
      const context = passage?.context ?? "";
      for (const text of wanted) expect(context).toContain(text);
      const parts = context.split(/Document \d+:\n/).slice(1);
      expect(new Set(parts.map((part) => part.trim())).size).toBe(parts.length);
      expect(context.match(/Document \d+/g)).toEqual(parts.map((_, i) => `Document ${i + 1}`));
    }
  });
});

test("what is missing, unknown or too short is refused by name", async () => {
  const settings = { lengths: [700], samples: 1 };
  await expect(rulerTask({ ...settings, tasks: ["qa_1", "niah_single_2", "vt", "x"] }, {})).rejects.toMatchObject({
    facts: {
      faults: [
        "qa_1 needs squad",
        "niah_single_2 needs haystack",
        expect.stringContaining("there is no task x") as string,
      ],
    },
  });
  await expect(made(["vt"], 60)).rejects.toMatchObject({ code: "bad-argument", facts: { where: "vt", got: "60" } });
});

test("string match: 200 answers as the published script scores them", () => {
  const rows = golden("matches.jsonl").trimEnd().split("\n");
  expect(rows).toHaveLength(200);
  for (const line of rows) {
    const [answer, references, all, part] = JSON.parse(line) as [string, string[], number, number];
    const got = [stringMatch(answer, references, "all"), stringMatch(answer, references, "part")];
    expect({ answer, references, got: got.map((share) => Number((100 * share).toFixed(2))) }).toEqual({
      answer,
      references,
      got: [all, part],
    });
  }
  expect(() => stringMatch("", [], "all")).toThrow("at least one reference");
});

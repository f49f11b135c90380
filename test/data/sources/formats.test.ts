import { mkdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { jsonElements } from "../../../src/data/sources/read/json-elements.ts";
import { all, tempFiles } from "../temp-file.ts";
import { ARTICLE } from "./published.ts";
import { readSource, split } from "./read-source.ts";

const write = tempFiles();
const path = (name: string) => new URL(`../../golden/data-sources/${name}`, import.meta.url).pathname;
const golden = JSON.parse(readFileSync(path("rows.json"), "utf8")) as {
  p3: { inputs_pretokenized: string; targets_pretokenized: string }[];
  squad: { context: string; question: string; answers: { text: string[] } }[];
};

/** Text in chunks of a few bytes, so that everything falls on a border once. */
async function* chunked(text: string, size: number): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
}
const values = async (text: string, size = 7, longest?: number) =>
  (await all(jsonElements(chunked(text, size), longest))).map((element) =>
    "fault" in element ? element.fault : (JSON.parse(element.bytes.toString()) as unknown),
  );

describe("a JSON array element by element", () => {
  test("is what JSON.parse makes of the whole, wherever the chunks are cut", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.jsonValue(), { maxLength: 6 }),
        fc.constantFrom(undefined, 1, "\t"),
        fc.integer({ min: 1, max: 9 }),
        async (array, indent, size) => {
          const text = `\ufeff \n${JSON.stringify(array, undefined, indent)}\n`;
          expect(await values(text, size)).toEqual(JSON.parse(text.slice(1)));
        },
      ),
      { numRuns: 60 },
    );
  });

  test("brackets, quotes and backslashes in texts end nothing", async () => {
    const array = [{ a: '],[{"\\' }, "\\\\", '\\"', ["]"], "é雪🐟"];
    for (const size of [1, 2, 3, 100]) expect(await values(JSON.stringify(array), size)).toEqual(array);
  });

  test("an element over the limit is told and passed over, its neighbours stay", async () => {
    expect(await values(`["a", "${"x".repeat(5000)}", "b"]`, 64, 1000)).toEqual([
      "a",
      "the row has 5.00 kB, over the limit of 1.00 kB",
      "b",
    ]);
  });

  test.each(["[1, 2", '[{"a": [1]', '["a', "[1] 2", '[{"a": 1}}'])(
    "%s is refused after its whole elements",
    async (text) => {
      await expect(values(text)).rejects.toThrow(/JSON array/);
    },
  );
});

describe("parquet", () => {
  test.each(["none", "snappy", "gzip", "zstd", "brotli", "lz4"])("%s, over two row groups", async (codec) => {
    const { rows, counts } = await readSource("p3", path(`p3-${codec}.parquet`));
    expect(counts).toEqual({});
    expect(rows.map(split)).toEqual(
      golden.p3.map(({ inputs_pretokenized: prompt }) => ({
        context: prompt.split("\n\n")[1],
        question: [prompt.split("\n\n")[0], prompt.split("\n\n")[2]].join("\n"),
        answers: ["1871"],
      })),
    );
    expect(rows.map(({ place }) => [place.line, place.unit])).toEqual([1, 2, 3, 4, 5].map((row) => [row, "row"]));
  });

  test("structs and lists, as the hub's copy of SQuAD has them", async () => {
    const { rows, counts } = await readSource("squad", path("squad.parquet"));
    const [first] = golden.squad;
    expect(rows.map(split)).toEqual([
      { context: first?.context, question: first?.question, answers: first?.answers.text },
    ]);
    expect(counts).toEqual({ unanswerable: 1 });
  });

  test("what is damaged in the second row group leaves the first", async () => {
    const bytes = readFileSync(path("p3-snappy.parquet"));
    const second = bytes.indexOf("Question 3");
    bytes.fill(0xff, second - 60, second + 200);
    const { rows, damaged } = await readSource("p3", write("half.parquet", bytes));
    expect(rows).toHaveLength(3);
    expect(damaged).toMatchObject([{ line: 4, unit: "row" }]);
  });
});

describe("P3", () => {
  const prompt = (inputs_pretokenized: string) => ({ inputs_pretokenized, targets_pretokenized: " yes " });
  const read = (name: string, ...prompts: string[]) =>
    readSource("p3", write(name, prompts.map((each) => `${JSON.stringify(prompt(each))}\n`).join("")));

  test("the longest block of a prompt is the context; labels, cues and questions around it are the question", async () => {
    const { rows, counts } = await read(
      "prompts.jsonl",
      `Review:\n${ARTICLE}\n===\nBased on that, my rating is\n`,
      `${ARTICLE}\n${ARTICLE}\nOn a scale of 1 to 5, I would give this`,
      `Write highlights for this article:\n\n${ARTICLE}\n${ARTICLE}`,
      "Put together these concepts to form a sentence: boat, noon.",
      ARTICLE,
    );
    expect(rows.map(split)).toEqual([
      { context: ARTICLE, question: "Review:\n===\nBased on that, my rating is", answers: ["yes"] },
      { context: `${ARTICLE}\n${ARTICLE}`, question: "On a scale of 1 to 5, I would give this", answers: ["yes"] },
      { context: `${ARTICLE}\n${ARTICLE}`, question: "Write highlights for this article:", answers: ["yes"] },
    ]);
    expect(counts).toEqual({ "no-context": 1, "no-question": 1 });
  });

  test("of the rows that rank choices only the right one has an answer", async () => {
    const choice = (targets: string, isCorrect?: boolean | null) => ({
      idx: [12, 0],
      ...prompt(`${ARTICLE}\n\nTrue or False?`),
      targets_pretokenized: targets,
      ...(isCorrect === undefined ? {} : { is_correct: isCorrect, weight: 1 }),
    });
    const records = [choice("False", false), choice("True", true), choice("null", null), choice("none")];
    const file = write("choices.jsonl", records.map((record) => `${JSON.stringify(record)}\n`).join(""));
    const { rows, unused, faults } = await readSource("p3", file);
    expect(rows.map(({ answers }) => answers)).toEqual([["True"], ["null"], ["none"]]);
    expect(unused).toMatchObject([{ line: 1, reason: "wrong-choice" }]);
    expect(faults).toEqual([]);
  });

  const folder = (name: string, jinja: Record<string, string>, choices?: string) => {
    const templates = Object.entries(jinja).map(
      ([key, text]) =>
        `  ${key}: !Template\n    answer_choices: ${choices ?? "null"}\n    jinja: ${JSON.stringify(text)}\n` +
        `    metadata: !TemplateMetadata\n      original_task: true\n    name: ${key}\n`,
    );
    const where = write(`${name}.here`, "").replace(/[^/]*$/, name);
    mkdirSync(where, { recursive: true });
    write(`${name}/templates.yaml`, `dataset: x\nsubset: null\ntemplates:\n${templates.join("")}`);
    return where;
  };
  const row = {
    context: ARTICLE,
    question: "What ||| left?",
    label: 1,
    answers: { text: ["the ferry", "a ferry"] },
    split: "train",
  };

  test("each template puts each row into words; the longest field is the context, word for word", async () => {
    const where = folder(
      "templates",
      {
        ask: "{% if split != 'test' %}\nQuestion: {{question}}\n\nText: {{context}}\n|||\n{{answers.text | choice}}\n{% endif %}",
        frequent: "{{context}} Name it. ||| {{answers.text | most_frequent | choice}}",
        choices: "{{context}}\nIs it so? {{ answer_choices | join(' or ') }} ||| {{ answer_choices[label] }}",
        pairs:
          "{{context}} {% for a, b in zip(answer_choices, [1, 2]) %}{{b}}. {{a}} {% endfor %}||| {{ answer_choices[0] }}",
      },
      "no ||| yes",
    );
    write(
      "templates/rows.jsonl",
      `${JSON.stringify(row)}\n${JSON.stringify({ ...row, split: "test", context: "short" })}\n`,
    );
    const { rows, unused, faults } = await readSource("p3", where);
    expect(faults).toEqual([]);
    expect(rows.map(split)).toEqual([
      { context: ARTICLE, question: "Question: What ||| left?\n\nText:", answers: ["the ferry"] },
      { context: ARTICLE, question: "Name it.", answers: ["the ferry"] },
      { context: ARTICLE, question: "Is it so? no or yes", answers: ["yes"] },
      { context: ARTICLE, question: "1. no 2. yes", answers: ["no"] },
    ]);
    expect(unused.map(({ line, reason }) => `${line} ${reason}`)).toEqual([
      "2 no-prompt",
      "2 no-context",
      "2 no-context",
      "2 no-context",
    ]);
  });

  test("a template that fails or runs away spoils its own prompt only; a file that is none is refused", async () => {
    const where = folder("bad", {
      fails: "{{ context | nope }} ||| x",
      large: "{{ range(1000000) }} ||| x",
      grows:
        "{% set ns = namespace(t='xxxxxxxx') %}{% for a in range(60) %}{% set ns.t = ns.t + ns.t %}{% endfor %} ||| x",
      good: "{{ context }} What? ||| x",
    });
    write("bad/rows.jsonl", JSON.stringify(row));
    const { rows, faults } = await readSource("p3", where);
    expect(rows.map(split)).toEqual([{ context: ARTICLE, question: "What?", answers: ["x"] }]);
    expect(faults.map(({ fault }) => fault.split(":")[0])).toEqual([
      "template fails",
      "template large",
      "template grows",
    ]);
    await expect(readSource("p3", folder("jinja", { broken: "{% if %}" }))).rejects.toMatchObject({ code: "bad-file" });
    const other = folder("yaml", {});
    write("yaml/templates.yaml", "templates: [");
    await expect(readSource("p3", other)).rejects.toMatchObject({ code: "bad-file" });
  });

  test("other rows without templates are named as such", async () => {
    const { faults } = await readSource("p3", write("plain.jsonl", JSON.stringify(row)));
    expect(faults[0]?.fault).toMatch(/inputs_pretokenized.*templates\.yaml/);
  });
});

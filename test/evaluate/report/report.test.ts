import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { writeReport } from "../../../src/cli/report/write-report.ts";
import { csvRecords } from "../../../src/evaluate/report/csv-records.ts";
import { readRun } from "../../../src/evaluate/report/read-run.ts";
import { resultsTable } from "../../../src/evaluate/report/tables.ts";
import { useFolder, type RunShape, writeRun } from "./stored-run.ts";

const folder = useFolder();
let runs = 0;

async function reported(shape: RunShape = {}, samples = { start: 0, end: 40 }): Promise<{ page: string; at: string }> {
  const at = join(folder(), `run${runs++}`);
  await writeRun(at, shape);
  await writeReport(await readRun(at), join(at, "report.html"), samples);
  return { page: await readFile(join(at, "report.html"), "utf8"), at };
}

/** Cells of the n-th table of a page, head first. */
function tableOf(page: string, index: number): string[][] {
  const table = [...page.matchAll(/<table>[^]*?<\/table>/g)][index]?.[0] ?? "";
  return [...table.matchAll(/<tr>([^]*?)<\/tr>/g)].map(([, row = ""]) =>
    [...row.matchAll(/<t[hd][^>]*>([^]*?)<\/t[hd]>/g)].map(([, cell = ""]) => cell),
  );
}

describe("the page of a run", () => {
  test("loads nothing, runs its own script alone, and its tables are those of the result", async () => {
    const { page, at } = await reported();
    expect(page).toMatch(
      /Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-[^']+'; base-uri 'none'; form-action 'none'"/,
    );
    expect(page).not.toMatch(/\bsrc=|href="[^#]|url\(|@import|http(?!-equiv|:\/\/www\.w3\.org\/2000\/svg")/);
    expect(page.match(/<script/g)).toHaveLength(1);
    const sections = [...page.matchAll(/<h2 id="(\w+)">/g)].map(([, id]) => `#${id}`);
    expect([...page.matchAll(/<a href="([^"]+)"/g)].map(([, href]) => href)).toEqual(sections);
    const { result } = await readRun(at);
    const [head = [], ...rows] = tableOf(page, 0);
    const bytes = head.indexOf("bytes");
    const without = (row: readonly string[]): string[] => row.filter((_, i) => i !== bytes);
    const wanted = resultsTable(result);
    expect(without(head)).toEqual(wanted.columns.map(({ name }) => name));
    expect(rows.map(without)).toEqual(wanted.rows);
    const gold = head.indexOf("gold in answer %");
    expect(rows.map((row) => row[gold]?.split(" ")[0])).toEqual(
      result.results.map((one) => one.goldInAnswer?.toFixed(1)),
    );
    // 40 characters, a token each: full 40 · 5 floats · keys and values.
    expect(rows.map((row) => row[bytes])).toEqual(["1.60 kB", "1.60 kB", "800 B", "800 B", "400 B", "400 B"]);
  });

  test("of a run that padded heads with fewer rows: what it measured, without its mark", async () => {
    const { at } = await reported();
    const path = join(at, "result.json");
    const stored = JSON.parse(await readFile(path, "utf8")) as { results: object[] };
    const { result } = await readRun(at);
    await writeFile(
      path,
      JSON.stringify({ ...stored, results: stored.results.map((one) => ({ ...one, masked: true })) }),
    );
    expect((await readRun(at)).result).toEqual(result);
  });

  test("of a run that took rows from one other, which is one of several now", async () => {
    const { at } = await reported();
    const path = join(at, "result.json");
    const stored = JSON.parse(await readFile(path, "utf8")) as object;
    const reused = { folder: "before", rows: 4, code: { version: "0.1.0", commit: null, modified: false } };
    await writeFile(path, JSON.stringify({ ...stored, reused }));
    expect((await readRun(at)).result.reused).toEqual([reused]);
  });

  test("questions with gold and all answers; kept tokens marked, stronger with the score", async () => {
    const { page } = await reported();
    expect(page.match(/<section class="question"/g)).toHaveLength(6);
    expect([...page.matchAll(/<option value="\d+">([^<]+)/g)].map(([, name]) => name)).toEqual([
      "none",
      "h2o 50%",
      "kv-distill 50%",
      "h2o 25%",
      "kv-distill 25%",
    ]);
    expect(page).toContain("<b>gold 3</b>");
    for (const method of ["full", "none", "h2o", "kv-distill"]) expect(page).toContain(`answer 5 of ${method}<`);
    const marked =
      /What kv-distill 25% kept <span class="quiet">25% of 40 tokens, 400 B<\/span><\/summary><div class="text" tabindex="0" role="group" aria-label="What kv-distill 25% kept">([^]*?)<\/div>/.exec(
        page,
      )?.[1];
    expect(marked).toBe(
      '<mark class="k1">th</mark><mark class="k2">e </mark><mark class="k3">qu</mark><mark class="k4">ic</mark><mark class="k5">k </mark>brown fox jumps over lazy dogs',
    );
  });

  test("is bounded: the questions that are not shown are counted, and how to show them is said", async () => {
    const { page } = await reported({ questions: 30 }, { start: 4, end: 10 });
    expect(page.match(/<section class="question"/g)).toHaveLength(6);
    expect(page).toMatch(
      /Questions 5 to 10 of 30[^<]*The other 24 are not in this page: <code>--samples 11-16<\/code>/,
    );
    expect(page).toContain("question 4?");
    expect(page).not.toContain("question 10?");
    const at = join(folder(), "few");
    await writeRun(at);
    await expect(writeReport(await readRun(at), join(at, "x.html"), { start: 6, end: 9 })).rejects.toThrow(
      /fewer questions[^]*from 1 to 6[^]*7-9/,
    );
  });

  test("failures are listed with their condition, code and message", async () => {
    const failure = { code: "context-too-long", message: "too <long>" };
    const row: RunShape["row"] = (sample, { method, keep }) =>
      sample === 3 && method === "h2o" && keep === 0.25
        ? { failure, finish: "failure", rows: null, goldInAnswer: 0, forwardKl: null, top1: null, answerNll: null }
        : {};
    const { page } = await reported({ row });
    expect(page).toContain("Failed answers, which count as wrong: 1.");
    expect(tableOf(page, 2).at(1)).toEqual(["h2o 25%", "q3", "context-too-long", "too &lt;long&gt;"]);
    expect(page.match(/data-failed="1"/g)).toHaveLength(1);
  });

  test("any text of documents, models and files is escaped", async () => {
    const hostile = [
      "</script><script>alert(1)</script>",
      "<img src=x onerror=alert(1)>",
      "\u202e\u0000&amp;\"'<!--",
      "</style><b>",
      "]]>",
    ];
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...hostile), fc.string({ unit: "binary" }), async (start, end) => {
        const text = `${start}${end.replaceAll("\r", "")}`;
        const { page } = await reported({
          questions: 2,
          methods: ["full", "h2o"],
          keeps: [0.5],
          model: text,
          row: () => ({ answer: text, id: text }),
          text: () => ({ question: text, golds: [text, text] }),
          passageText: text,
          identity: { [`<i>${text}`]: text },
        });
        const known =
          /^<\/?(?:!doctype|html|head|meta|title|style|body|main|script|h[1-4]|p|nav|a|div|table|thead|tbody|tr|th|td|figure|svg|rect|text|g|path|label|input|select|option|span|article|section|details|summary|mark|ul|li|dl|dt|dd|b|code)\b/;
        const tags = page.match(/<[^\s=;&|,)0-9][^>]*>?/g) ?? [];
        expect(tags.filter((tag) => !known.test(tag))).toEqual([]);
        expect(page.match(/<script/g)).toHaveLength(1);
        expect(page).not.toMatch(/<[^>]*\bonerror|<img|\u202e|\u0000/);
        expect(page.match(/<b>/g)).toHaveLength(4);
      }),
      { numRuns: 12 },
    );
  });
});

describe("a run with lengths", () => {
  const lengths = [512, 1024];
  const row: RunShape["row"] = (sample, { method, keep }) => ({
    facts: { length: lengths[sample % 2] ?? 0, depth: Math.floor(sample / 2) / 2 },
    goldInAnswer: method === "full" || (keep === 0.5 && sample % 2 === 0) ? 1 : 0,
  });

  test("has maps of depth by length and of kept part by length, which hold the means", async () => {
    const { page, at } = await reported({ row });
    const depth = await readFile(join(at, "depth-length.svg"), "utf8");
    expect(depth).toContain("<title>full: 0%, 512: 100</title>");
    expect(depth).toContain("<title>h2o 50%: 50%, 512: 100</title>");
    expect(depth).toContain("<title>h2o 50%: 50%, 1,024: 0</title>");
    const keep = await readFile(join(at, "keep-length.svg"), "utf8");
    expect([...keep.matchAll(/<title>kv-distill: ([^<]*)/g)].map(([, said]) => said)).toEqual([
      "50%, 512: 100",
      "50%, 1,024: 0",
      "25%, 512: 0",
      "25%, 1,024: 0",
    ]);
    expect(page).toContain("Needle in a haystack: depth by length");
  });

  test("has none without them", async () => {
    const { page } = await reported();
    expect(page).not.toContain("by length");
  });
});

describe("reading a run", () => {
  test("of an earlier version: what it did not write is named, the rest is shown", async () => {
    const { page, at } = await reported({ old: true });
    const run = await readRun(at);
    expect(run.missing).toEqual([expect.stringContaining("kept.jsonl is not there")]);
    expect(run.result.metrics).toEqual(["goldInAnswer", "em", "f1", "answerInGold"]);
    expect(page).toContain("kept.jsonl is not there");
    expect(page).not.toContain("<mark");
    expect(page).toContain("question 3?");
    expect(tableOf(page, 0)[0]).not.toContain("bytes");
  });

  test("that is unfinished, of another version, or contradicts itself is refused", async () => {
    const at = join(folder(), "bad");
    await writeRun(at);
    const path = join(at, "result.json");
    const text = await readFile(path, "utf8");
    const good = JSON.parse(text) as Record<string, unknown>;
    const withResult = async (value: unknown): Promise<unknown> => {
      await writeFile(path, JSON.stringify(value));
      return readRun(at).catch((error: unknown) => error);
    };
    expect(await withResult({ ...good, version: 2 })).toMatchObject({ code: "unsupported" });
    expect(await withResult({ ...good, results: "none", questions: -1.5 })).toMatchObject({
      code: "bad-file",
      facts: { faults: [expect.stringMatching(/^results: /), expect.stringMatching(/^questions: /)] },
    });
    expect(await withResult({ ...good, questions: 7 })).toMatchObject({
      code: "bad-file",
      message: expect.stringContaining("36 rows") as string,
    });
    await writeFile(path, text);
    const predictions = join(at, "predictions.csv");
    const lines = (await readFile(predictions, "utf8")).split("\r\n");
    await writeFile(predictions, [lines[0], ...lines.slice(2)].join("\r\n"));
    await expect(readRun(at)).rejects.toThrow("not those of samples.jsonl");
    await expect(readRun(folder())).rejects.toMatchObject({ code: "not-found" });
  });

  test("kept tokens that do not fit their passage are refused by line", async () => {
    const at = join(folder(), "bad-kept");
    await writeRun(at);
    const path = join(at, "kept.jsonl");
    const lines = (await readFile(path, "utf8")).split("\n");
    await writeFile(
      path,
      lines.map((line, i) => (i === 2 ? line.replace('"holders":[', '"holders":[9,') : line)).join("\n"),
    );
    const run = await readRun(at);
    await expect(writeReport(run, join(at, "report.html"), { start: 0, end: 1 })).rejects.toThrow(
      /kept\.jsonl:3: kept tokens do not fit[^]*expected 40, got 41[^]*more than 1/,
    );
  });
});

test("CSV is read as it is written, however it comes in pieces", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.array(fc.string({ unit: fc.constantFrom("a", '"', ",", "\n", "\r", "é") }), { minLength: 2, maxLength: 4 }),
      ),
      fc.integer({ min: 1, max: 5 }),
      async (records, size) => {
        const cell = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
        const text = records.map((record) => `${record.map(cell).join(",")}\r\n`).join("");
        const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, i) =>
          text.slice(i * size, (i + 1) * size),
        );
        const read: string[][] = [];
        for await (const record of csvRecords(Readable.from(pieces) as AsyncIterable<string>, "x")) read.push(record);
        expect(read).toEqual(records);
      },
    ),
  );
});

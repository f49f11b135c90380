import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readEvaluationShingles } from "../../src/data/prepare/decontaminate.ts";
import { evaluationTexts } from "../../src/data/prepare/evaluation-texts.ts";
import { comparable, shingles } from "../../src/data/prepare/shingles.ts";
import type { RowFault } from "../../src/data/passage.ts";
import { zipOf } from "./sources/zip-writer.ts";
import { all, tempFiles } from "./temp-file.ts";

const writeFile = tempFiles();
const words = (count: number, from = 0): string => Array.from({ length: count }, (_, i) => `word${from + i}`).join(" ");
const row = (context: string, question = "Who?") => ({ id: "r", source: "s", context, question, answers: ["x"] });
const none = (): void => undefined;

test("shingles are equal exactly where the words are, whatever stands between them", () => {
  const word = fc.constantFrom("a", "b", "ca", "dé", "9");
  const gap = fc.constantFrom(" ", ", ", "\n\n", " -- ", "… ");
  const text = fc.array(fc.tuple(word, gap), { maxLength: 25 });
  fc.assert(
    fc.property(text, text, fc.integer({ min: 1, max: 6 }), (first, second, length) => {
      const runs = (parts: readonly (readonly [string, string])[]): { print: string; run: string; slice: string }[] => {
        const joined = parts.map(([own, after]) => own + after).join("");
        return [...shingles(joined, length)].map(({ low, high, start, end }, i) => ({
          print: `${low} ${high}`,
          run: parts
            .slice(i, i + length)
            .map(([own]) => own)
            .join(" "),
          slice: joined.slice(start, end),
        }));
      };
      const [a, b] = [runs(first), runs(second)];
      expect(a).toHaveLength(Math.max(0, first.length - length + 1));
      for (const one of a) {
        expect(one.slice.match(/[\p{L}\p{N}]+/gu)?.join(" ")).toBe(one.run);
        for (const other of [...a, ...b]) expect(one.print === other.print).toBe(one.run === other.run);
      }
    }),
  );
});

test("case, accents' spelling and compatibility forms make no difference", () => {
  const print = (text: string): string =>
    JSON.stringify([...shingles(comparable(text), 2)].map(({ low, high }) => [low, high]));
  expect(print("Café ﬁne")).toBe(print("CAFE\u0301  fine!"));
  expect(print("Café ﬁne")).not.toBe(print("Cafe fine"));
});

test("the texts of a file are its strings at any depth, or its lines", async () => {
  const nested = { data: [{ paragraphs: [{ context: "deep text", qas: [{ question: "q", id: 5 }] }] }] };
  const json = writeFile("eval.json.gz", gzipSync(JSON.stringify(nested)));
  expect((await all(evaluationTexts(json, none))).sort()).toEqual(["deep text", "q"]);
  const faults: RowFault[] = [];
  const mixed = writeFile(
    "mixed.txt",
    Buffer.concat([Buffer.from('plain text\n"quoted"\n'), Buffer.from([0xff, 0x0a])]),
  );
  expect(await all(evaluationTexts(mixed, (fault) => faults.push(fault)))).toEqual(["plain text", "quoted"]);
  expect(faults).toMatchObject([{ line: 3 }]);
  const deep = writeFile("deep.json", `${"[".repeat(5000)}"x"${"]".repeat(5000)}`);
  expect(await all(evaluationTexts(deep, none))).toEqual(["x"]);
});

test("how JSON is laid out or packed makes no difference", async () => {
  const json = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.string({ unit: "grapheme" }),
      fc.integer(),
      fc.constant(null),
      fc.array(tie("value"), { maxLength: 4 }),
      fc.dictionary(fc.string(), tie("value"), { maxKeys: 4 }),
    ),
  })).value;
  const texts = async (name: string, bytes: string | Uint8Array) =>
    (await all(evaluationTexts(writeFile(name, bytes), none))).sort();
  await fc.assert(
    fc.asyncProperty(json, json, async (first, second) => {
      const value = { first, second };
      const compact = await texts("compact.json", JSON.stringify(value));
      for (const indent of [1, "\t"]) {
        const laidOut = JSON.stringify(value, null, indent);
        expect(await texts("laid-out.json", laidOut)).toEqual(compact);
        expect(await texts("packed.zip", zipOf({ "dev.json": laidOut }))).toEqual(compact);
      }
      expect(await texts("lines.jsonl", `${JSON.stringify({ first })}\n${JSON.stringify({ second })}`)).toEqual(
        compact,
      );
      expect(await texts("array.json", JSON.stringify([first, second], null, 2))).toEqual(compact);
    }),
    { numRuns: 50 },
  );
});

test("parquet, folders, and a text that begins with a bracket are compared; a file that is cut or empty is refused", async () => {
  const golden = fileURLToPath(new URL("../golden/data-sources/p3-snappy.parquet", import.meta.url));
  const ofParquet = await all(evaluationTexts(golden, none));
  expect(ofParquet.length).toBeGreaterThan(3);
  const folder = dirname(writeFile("one.jsonl", '"one"\n'));
  expect(await all(evaluationTexts(join(folder, "one.jsonl"), none))).toEqual(["one"]);
  mkdirSync(join(folder, "set"));
  writeFile("set/a.jsonl", '"one"\n');
  writeFile("set/b.json", '{\n"c": ["two"]\n}');
  expect(await all(evaluationTexts(join(folder, "set"), none))).toEqual(["one", "two"]);
  const chapter = writeFile("chapter.txt", "[Chapter 1]\nIt was late.\n");
  expect(await all(evaluationTexts(chapter, none))).toEqual(["[Chapter 1]", "It was late."]);
  const laidOut = JSON.stringify([{ context: words(30) }, { context: words(30) }], null, 1);
  for (const bytes of [laidOut.slice(0, -9), laidOut.slice(2, -20), "", gzipSync(laidOut).subarray(0, 40)]) {
    const read = all(evaluationTexts(writeFile("cut.json", bytes), none));
    await expect(read).rejects.toMatchObject({ code: "bad-file" });
  }
});

test("a row that shares as many shingles as the threshold is left out, with the file, the count and the words", async () => {
  const first = writeFile("first.jsonl", JSON.stringify({ context: words(30) }));
  const second = writeFile("second.jsonl", JSON.stringify({ question: words(20, 100) }));
  const evaluation = await readEvaluationShingles([first, second], { words: 13, threshold: 3 }, none);
  expect(evaluation.size).toBe(18 + 8);
  // 15 words in a row are three shingles, 14 are two.
  expect(evaluation.overlapOf(row(`before ${words(15)} after`))).toEqual({ file: first, shared: 3, words: words(13) });
  expect(evaluation.overlapOf(row(`before ${words(14)} after`))).toBeUndefined();
  expect(evaluation.overlapOf(row("x", words(17, 102)))).toMatchObject({ file: second, shared: 5 });
  // Two of each file: the sum counts, the first file of equals is named.
  expect(evaluation.overlapOf(row(words(14), words(14, 100)))).toMatchObject({ file: first, shared: 4 });
  expect(evaluation.overlapOf({ ...row("x"), answers: ["y", words(15)] })).toMatchObject({ shared: 3 });
  expect(evaluation.overlapOf(row(words(30, 500)))).toBeUndefined();
});

test("an evaluation file without a text that is long enough, and an impossible rule, are refused", async () => {
  const short = writeFile("short.jsonl", JSON.stringify({ context: "too short" }));
  const read = readEvaluationShingles([short], { words: 13, threshold: 1 }, none);
  await expect(read).rejects.toMatchObject({ code: "bad-file" });
  const wrong = readEvaluationShingles([short], { words: 0, threshold: -1 }, none);
  await expect(wrong).rejects.toMatchObject({
    code: "bad-argument",
    facts: { faults: [{}, {}].map(() => expect.any(String) as string) },
  });
});

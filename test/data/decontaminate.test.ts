import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readEvaluationShingles } from "../../src/data/prepare/decontaminate.ts";
import { evaluationTexts } from "../../src/data/prepare/evaluation-texts.ts";
import { comparable, shingles } from "../../src/data/prepare/shingles.ts";
import type { RowFault } from "../../src/data/passage.ts";
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

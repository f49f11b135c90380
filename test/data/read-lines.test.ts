import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readLines } from "../../src/data/read-lines.ts";
import { all, tempFiles } from "./temp-file.ts";

const write = tempFiles();
const texts = async (path: string) =>
  (await all(readLines(path))).map((line) => ("text" in line ? line.text : `fault: ${line.fault}`));

describe("lines", () => {
  test("plain and gzip files of any name give the same lines, numbered from 1", async () => {
    const text = "one\ntwo\r\n\nfour\u2028still four\u0085\n";
    const expected = ["one", "two", "", "four\u2028still four\u0085"].map((each, index) => ({
      line: index + 1,
      text: each,
    }));
    expect(await all(readLines(write("plain", text)))).toEqual(expected);
    expect(await all(readLines(write("packed", gzipSync(text))))).toEqual(expected);
  });

  test("the last line needs no newline; an empty file has no lines", async () => {
    expect(await texts(write("open", "a\nb"))).toEqual(["a", "b"]);
    expect(await texts(write("empty", ""))).toEqual([]);
    expect(await texts(write("short", "x"))).toEqual(["x"]);
  });

  test("several gzip members follow each other", async () => {
    expect(await texts(write("members", Buffer.concat([gzipSync("a\nb"), gzipSync("c\nd\n")])))).toEqual([
      "a",
      "bc",
      "d",
    ]);
  });

  test("a byte order mark is dropped at the start only", async () => {
    expect(await texts(write("mark", "\ufeffa\n\ufeffb"))).toEqual(["a", "\ufeffb"]);
  });

  test("any text survives, whatever falls on the borders of blocks", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: "binary", maxLength: 20 }), { minLength: 1 }),
        fc.integer({ min: 0, max: 70_000 }),
        async (parts, padding) => {
          const lines = [
            "é".repeat(padding),
            ...parts.map((part) => part.replaceAll(/[\r\n\ufeff]|[\u{d800}-\u{dfff}]/gu, "")),
          ];
          expect(await texts(write("any", `${lines.join("\n")}\n`))).toEqual(lines);
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe("what is wrong with a line", () => {
  test("bytes that are not UTF-8 spoil their own line only", async () => {
    const path = write("latin", Buffer.from("a\ncaf\xe9\nb\n", "latin1"));
    expect(await texts(path)).toEqual(["a", "fault: the line is not UTF-8", "b"]);
  });

  test("a line over the limit is named and skipped, in bounded memory", async () => {
    const path = write("long", gzipSync(`short\n${"x".repeat(3_000_000)}\nshort again`));
    const lines = await all(readLines(path, 1000));
    expect(lines).toEqual([
      { line: 1, text: "short" },
      { line: 2, fault: "the line has 3.00 MB, over the limit of 1.00 kB" },
      { line: 3, text: "short again" },
    ]);
  });
});

describe("what is wrong with a file", () => {
  const packed = gzipSync("first\nsecond\nthird\n".repeat(50));

  test("gzip that ends early is refused after its whole lines, and the line is named", async () => {
    const path = write("cut", packed.subarray(0, packed.length - 12));
    await expect(all(readLines(path))).rejects.toThrow(/cut:\d+: the gzip data is damaged or ends early/);
    await expect(all(readLines(path))).rejects.toMatchObject({ code: "bad-file" });
  });

  test("damaged gzip is refused", async () => {
    const damaged = Buffer.from(packed);
    damaged.fill(0xff, 20, 30);
    await expect(all(readLines(write("damaged", damaged)))).rejects.toMatchObject({ code: "bad-file" });
  });

  test("a missing file and a folder", async () => {
    await expect(all(readLines("/nowhere/at-all"))).rejects.toMatchObject({ code: "not-found" });
    await expect(all(readLines("/"))).rejects.toMatchObject({ code: "disk" });
  });
});

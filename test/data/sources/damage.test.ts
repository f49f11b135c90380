import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { beforeAll, describe, expect, test } from "vitest";
import { linesOf } from "../../../src/data/read-lines.ts";
import { SOURCE_NAMES } from "../../../src/data/sources/index.ts";
import { tempFiles } from "../temp-file.ts";
import { PUBLISHED, textOf } from "./published.ts";
import { readSource } from "./read-source.ts";
import { zipOf } from "./zip-writer.ts";

const write = tempFiles();
const golden = (name: string) => readFileSync(new URL(`../../golden/data-sources/${name}`, import.meta.url));

/** One line over the limit of 64 MiB, packed: 68 MB of one letter. */
let hugeLine: Buffer;
beforeAll(() => {
  hugeLine = gzipSync(`{"context": "${"x".repeat(68_000_000)}"}\n`, { level: 1 });
});

describe.each(SOURCE_NAMES)("%s", (name) => {
  const published = PUBLISHED[name];
  if (published === undefined) throw new Error(name);
  const { rows: count, records } = published;
  const text = textOf(published);
  /** Every source reads JSON Lines, whatever its publisher ships. */
  const jsonLines = textOf({ form: "lines", records });

  test("a line that is no JSON, not UTF-8, no object, without its fields, or huge spoils itself alone", async () => {
    const bad = [
      Buffer.from('{"context": "cut of\n'),
      Buffer.from('{"context": "caf\xe9"}\n', "latin1"),
      Buffer.from('[1, 2]\n"text"\nnull\n{}\n'),
      Buffer.from('{"instances": 3}\n{"data": 3}\n{"qas": 3}\n{"questions": 3}\n'),
    ];
    const path = write(
      `${name}-bad.gz`,
      Buffer.concat([gzipSync(jsonLines), gzipSync(Buffer.concat(bad)), hugeLine, gzipSync(jsonLines)]),
    );
    const { rows, faults, damaged } = await readSource(name, path);
    expect(rows).toHaveLength(2 * count);
    expect(damaged).toEqual([]);
    const first = jsonLines.split("\n").length;
    expect(faults.filter(({ unit }) => unit === undefined).map(({ line }) => line)).toEqual(
      expect.arrayContaining([0, 1, 2, 3, 4, 5, 6, 8, 9, 10].map((at) => first + at)),
    );
    const told = new Map(faults.map(({ line, fault }) => [line - first, fault]));
    expect(told.get(0)).toBe("the line is not JSON");
    expect(told.get(1)).toBe("the line is not UTF-8");
    expect(told.get(10)).toBe("the line has 68.0 MB, over the limit of 67.1 MB");
    expect(faults.every(({ file }) => file === path)).toBe(true);
  });

  test("gzip that ends early gives its whole rows, then says where it broke; so does a damaged one", async () => {
    const packed = gzipSync(jsonLines.repeat(400), { level: 1 });
    const cut = write(`${name}-cut.gz`, packed.subarray(0, Math.floor(packed.length * 0.6)));
    const read = await readSource(name, cut);
    expect(read.rows.length).toBeLessThan(400 * count);
    expect(read.counts["damaged-file"]).toBe(1);
    expect(read.damaged[0]).toMatchObject({ file: cut, fault: expect.stringMatching(/ends early/) as string });
    const spoilt = Buffer.from(packed);
    spoilt.fill(0xff, 12, 40);
    const damaged = await readSource(name, write(`${name}-spoilt.gz`, spoilt));
    expect(damaged.counts["damaged-file"]).toBe(1);
  });

  test("a zip that ends early or is damaged inside is told; what is whole in it is read", async () => {
    const zip = zipOf({ [published.file]: text, "more.json": text });
    const cut = await readSource(name, write(`${name}-cut.zip`, zip.subarray(0, zip.length - 30)));
    expect([cut.rows.length, cut.counts]).toEqual([0, { "damaged-file": 1 }]);
    const spoilt = Buffer.from(zip);
    spoilt.fill(0xff, 30 + published.file.length + 2, 30 + published.file.length + 20);
    const { rows, damaged } = await readSource(name, write(`${name}-spoilt.zip`, spoilt));
    expect(rows).toHaveLength(count);
    expect(damaged.map(({ file }) => file.split("/").at(-1))).toEqual([published.file]);
  });

  test("damaged parquet, UTF-16, an array that does not end, one that is no data at all", async () => {
    const whole = golden("p3-snappy.parquet");
    const cases: Record<string, string | Buffer> = {
      "cut.parquet": whole.subarray(0, 3000),
      "head.parquet": whole.subarray(0, 6),
      "utf16.jsonl": Buffer.from(`\ufeff${text}`, "utf16le"),
      "cut.json": JSON.stringify(records.map(() => ({}))).slice(0, -1),
      "after.json": "[] []",
      "brace.json": '[{"a": 1}}',
    };
    for (const [file, bytes] of Object.entries(cases)) {
      const { rows, counts } = await readSource(name, write(`${name}-${file}`, bytes));
      expect([file, rows.length, counts["damaged-file"]]).toEqual([file, 0, 1]);
    }
    const binary = await readSource(name, write(`${name}.bin`, Buffer.from([0, 1, 2, 255, 254, 10, 200])));
    expect([binary.rows.length, binary.faults.length]).toEqual([0, 2]);
  });

  test("a folder goes on after a damaged file; without data files it is refused, as is nothing at all", async () => {
    const folder = write(`${name}.here`, "").replace(/\.here$/, "-folder");
    mkdirSync(folder, { recursive: true });
    const inside = (file: string, bytes: string | Buffer) => write(`${name}-folder/${file}`, bytes);
    inside("1.jsonl.gz", gzipSync(jsonLines).subarray(0, 30));
    inside(`2-${published.file}`, text);
    inside("3.parquet", "PAR1");
    inside(`4-${published.file}`, text);
    const { rows, damaged } = await readSource(name, folder);
    expect(rows).toHaveLength(2 * count);
    expect(damaged.map(({ file }) => file.split("/").at(-1))).toEqual(["1.jsonl.gz", "3.parquet"]);
    await expect(readSource(name, "/nowhere/at-all")).rejects.toMatchObject({ code: "not-found" });
    await expect(readSource(name, new URL("../../../docs/decisions", import.meta.url).pathname)).rejects.toThrow(
      /no data files/,
    );
  });
});

const triple = (context: string): string => JSON.stringify({ context, question: "Who?", answers: ["me"] });

test("empty files and archives without data files are told", async () => {
  const empty = { "a.jsonl": "", "b.jsonl.gz": gzipSync(" \n"), "c.zip": zipOf({ "readme.txt": "no rows" }) };
  for (const [file, bytes] of Object.entries(empty)) {
    const path = write(`empty-${file}`, bytes);
    const { rows, damaged } = await readSource("triples", path);
    expect(rows).toEqual([]);
    expect(damaged).toMatchObject([{ file: path, fault: expect.stringMatching(/is empty|no data files/) as string }]);
  }
});

test("links that lead nowhere or back are told, and reading goes on", async () => {
  const folder = write("linked.here", "").replace(/\.here$/, "");
  mkdirSync(folder);
  write("linked/a.jsonl", triple("first"));
  symlinkSync(".", `${folder}/b`);
  symlinkSync("gone", `${folder}/c`);
  mkdirSync(`${folder}/d`);
  write("linked/d/z.jsonl", triple("second"));
  mkdirSync(`${folder}.aside`);
  write("linked.aside/z.jsonl", triple("third"));
  symlinkSync("../linked.aside", `${folder}/e`);
  const { rows, damaged } = await readSource("triples", folder);
  expect(rows.map(({ context }) => context)).toEqual(["first", "second", "third"]);
  expect(damaged.map(({ file }) => file)).toEqual([`${folder}/b`, `${folder}/c`]);
});

test("JSON Lines of which the first was cut after a comma lose that line alone", async () => {
  const path = write("cut-first.jsonl", `{"context": "a",\n${triple("second")}\n${triple("third")}\n`);
  const { rows, faults, damaged } = await readSource("triples", path);
  expect(rows.map(({ context }) => context)).toEqual(["second", "third"]);
  expect([faults, damaged]).toMatchObject([[{ file: path, line: 1, fault: "the line is not JSON" }], []]);
});

test("what is null is absent", async () => {
  const row = { context: "text", question: "Who?", answer: "me" };
  const nulls = { id: null, source: null, licence: null, answers: null, answer_cut: null, style: null };
  const [plain, withNulls] = [
    write("plain.jsonl", JSON.stringify(row)),
    write("null.jsonl", JSON.stringify({ ...row, ...nulls })),
  ];
  const { rows } = await readSource("triples", withNulls);
  const [expected] = (await readSource("triples", plain)).rows;
  expect(rows).toEqual([
    { ...expected, id: "null.jsonl:1", source: "null.jsonl", place: { file: withNulls, line: 1 } },
  ]);
  const alpaca = write("alpaca.jsonl", JSON.stringify({ instruction: "Say it.", input: null, output: "it" }));
  expect((await readSource("alpaca", alpaca)).unused).toMatchObject([{ reason: "no-context" }]);
});

test("a line of 2 GB is counted to its end and not held", async () => {
  const chunk = Buffer.alloc(2 ** 20, 0x78);
  async function* bytes() {
    yield Buffer.from("first\n");
    for (let at = 0; at < 2048; at++) yield await Promise.resolve(chunk);
    yield Buffer.from("\nlast");
  }
  const before = process.memoryUsage().rss;
  const lines = [];
  for await (const line of linesOf(bytes())) lines.push(line);
  expect(lines).toEqual([
    { line: 1, text: "first" },
    { line: 2, fault: "the line has 2.15 GB, over the limit of 67.1 MB" },
    { line: 3, text: "last" },
  ]);
  expect(process.memoryUsage().rss - before).toBeLessThan(2 ** 29);
});

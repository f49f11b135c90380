import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parquetRows } from "../../../src/data/sources/read/parquet-rows.ts";
import { readSource } from "./read-source.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kv-distill-parquet-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const golden = (name: string): Promise<Buffer> =>
  readFile(new URL(`../../golden/data-sources/${name}`, import.meta.url));

/** What a source says of a damaged file, and of a whole one read right after it. */
async function damaged(bytes: Uint8Array): Promise<string> {
  const path = join(folder, "rows.parquet");
  await writeFile(path, bytes);
  const { rows, damaged: faults } = await readSource("p3", path);
  expect(rows).toEqual([]);
  await writeFile(path, await golden("p3-none.parquet"));
  expect((await readSource("p3", path)).rows.length).toBeGreaterThan(0);
  return faults.map(({ fault }) => fault).join("\n");
}

test("a column whose pages are no pages, beside others that are still being read", async () => {
  const bytes = await golden("p3-snappy.parquet");
  // The headers of all pages: every column fails for itself, and nobody waits for the later ones.
  const footer = bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8);
  for (let at = 4; at < footer; at += 3) bytes[at] = 0xee;
  expect(await damaged(bytes)).toMatch(/damaged/);
});

test("parts that lie outside the file", async () => {
  const bytes = await golden("p3-none.parquet");
  const footer = bytes.length - 8 - bytes.readUInt32LE(bytes.length - 8);
  // The footer alone: what it says lies in front of it is not there.
  expect(await damaged(Buffer.concat([Buffer.from("PAR1"), bytes.subarray(footer)]))).toMatch(/damaged/);
});

test("a footer that keeps the reader busy without end: the thread is ended", async () => {
  const bytes = await golden("squad.parquet");
  // One bit of a list's length.
  bytes[1352] = (bytes[1352] ?? 0) ^ 1;
  const path = join(folder, "busy.parquet");
  await writeFile(path, bytes);
  const rows = async (patience?: { footer: number; group: number }): Promise<number> => {
    const all: unknown[] = [];
    for await (const row of parquetRows(path, patience)) all.push(row);
    return all.length;
  };
  await expect(rows({ footer: 3, group: 600 })).rejects.toThrow("reading a part of it takes more than 3 s");
  await writeFile(path, await golden("squad.parquet"));
  expect(await rows()).toBeGreaterThan(0);
});

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readKept } from "../../../src/evaluate/report/read-kept.ts";
import { type ConditionKept, openKeptFile, parseKeptLine } from "../../../src/evaluate/run/kept-file.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kv-distill-kept-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const layer = { keys: new Float32Array(6), values: new Float32Array(6) };
// "aé…": the second character is two tokens.
const text = () => ({
  text: "aéb",
  spans: [
    { start: 0, end: 1 },
    { start: 1, end: 2 },
    { start: 1, end: 2 },
    { start: 2, end: 3 },
  ],
});
const perHead: ConditionKept = {
  layers: [layer, layer],
  positions: [Int32Array.of(0, 3), Int32Array.of(0, 1)],
  scores: [Float32Array.of(Infinity, 0.123456), Float32Array.of(2, -5)],
  text,
};

test("one line a passage and one a condition: holders, highest scores, measured bytes; written once, also after a crash", async () => {
  const path = join(folder, "kept.jsonl");
  const file = await openKeptFile(path);
  await file.append(0, { method: "h2o", keep: 0.5 }, perHead);
  await file.append(0, { method: "full", keep: undefined }, { layers: [layer], text });
  await file.append(0, { method: "h2o", keep: 0.5 }, perHead);
  await file.close();
  const whole = await readFile(path, "utf8");
  expect(
    whole
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown),
  ).toEqual([
    { passage: 0, text: "aéb", lengths: [1, 1, 0, 1] },
    {
      passage: 0,
      method: "h2o",
      keep: 0.5,
      bytes: 96,
      heads: 2,
      holders: [2, 1, 0, 1],
      scores: [null, -5, 0.1235],
    },
    { passage: 0, method: "full", keep: null, bytes: 48, heads: 1, holders: null, scores: null },
  ]);

  await writeFile(path, whole + '{"passage":1,"te');
  const again = await openKeptFile(path);
  await again.append(0, { method: "h2o", keep: 0.5 }, perHead);
  await again.append(1, { method: "h2o", keep: 0.5 }, perHead);
  await again.close();
  const lines = (await readFile(path, "utf8")).trimEnd().split("\n");
  expect(lines).toHaveLength(5);
  expect(lines[3]).toContain('{"passage":1,"text"');
});

test("a malformed line is named", async () => {
  const path = join(folder, "bad.jsonl");
  await writeFile(path, '{"passage":0,"text":"a","lengths":[1]}\n{"passage":0,"method":"h2o","keep":"x"}\n');
  await expect(openKeptFile(path)).rejects.toThrow(/bad\.jsonl:2: not a line of kept tokens[^]*keep:[^]*holders/);
  expect(() => parseKeptLine("{", "here")).toThrow("here: the line is not JSON");
});

test("a method that sees the question has a line for each question, and the reader tells them apart", async () => {
  const path = join(folder, "aware.jsonl");
  const file = await openKeptFile(path);
  for (const sample of [4, 5, 4]) await file.append(2, { method: "snapkv-aware", keep: 0.5 }, { ...perHead, sample });
  await file.close();
  const { passages, bytes } = await readKept(path, new Set([2]));
  expect(
    passages
      .get(2)
      ?.kept.get("snapkv-aware 50%")
      ?.map(({ sample }) => sample),
  ).toEqual([4, 5]);
  expect([...bytes]).toEqual([["snapkv-aware 50%", 96]]);
  expect((await readKept(path, new Set())).passages.size).toBe(0);
});

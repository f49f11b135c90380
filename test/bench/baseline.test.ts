import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { compareWithBaseline, readBaseline, refuseWorse } from "../../src/bench/baseline.ts";
import type { TrialResult } from "../../src/bench/run-trial.ts";
import type { Measure } from "../../src/bench/trial.ts";
import { expectError, expectRejection } from "./expect-error.ts";

const BASELINE = { note: "made up", tolerance: 0.1, ratios: { "a / x": 2, "m / x": 0.5, "b / x": 1 } };

const trial = (name: string, measure: Measure, ratio: number | null): TrialResult =>
  ({
    name,
    what: "",
    measure,
    entries: [
      { name: "ours", ratio: null },
      { name: "x", ratio },
    ],
  }) as unknown as TrialResult;

test.each([
  ["tokens/s", "a", 2.5, false],
  ["tokens/s", "a", 1.81, false],
  ["tokens/s", "a", 1.79, true],
  ["peak bytes", "m", 0.3, false],
  ["peak bytes", "m", 0.54, false],
  ["peak bytes", "m", 0.56, true],
] as const)("%s %s %d: worse is %s", (measure, name, ratio, worse) => {
  const rows = compareWithBaseline([trial(name, measure, ratio)], BASELINE);
  expect(rows).toEqual([{ name: `${name} / x`, before: name === "a" ? 2 : 0.5, now: ratio, worse }]);
  if (worse)
    expectError(() => {
      refuseWorse(rows, BASELINE);
    }, "bad-argument");
  else refuseWorse(rows, BASELINE);
});

test("a baseline that knows nothing of what was measured proves nothing", () => {
  expectError(() => compareWithBaseline([trial("c", "tokens/s", 3)], BASELINE), "bad-argument");
  expectError(() => compareWithBaseline([trial("b", "tokens/s", null)], BASELINE), "bad-argument");
});

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "kv-distill-baseline-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

test("a file with faults is refused with all of them", async () => {
  const path = join(folder, "baseline.json");
  await writeFile(path, JSON.stringify({ note: "x", tolerance: 2, ratios: { a: -1 } }));
  await expectRejection(readBaseline(path), "bad-file", /tolerance[^]*ratios: a/);
  await writeFile(path, JSON.stringify(BASELINE));
  expect(await readBaseline(path)).toEqual(BASELINE);
});

test("the stored baseline can be read", async () => {
  const { tolerance } = await readBaseline(new URL("../../bench/baseline.json", import.meta.url).pathname);
  expect(tolerance).toBeLessThan(0.5);
});

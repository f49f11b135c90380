import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { evaluate } from "../../src/evaluate/run/evaluate.ts";
import { rulerTask } from "../../src/evaluate/tasks/ruler/task.ts";
import { useRoomyModel } from "./tiny-run.ts";

const { model, work } = useRoomyModel(900);

test("RULER runs: answers go on from their prefix, whole prompts fit the length", { timeout: 120_000 }, async () => {
  const out = join(work(), "ruler");
  const task = await rulerTask({ tasks: ["niah_single_1", "fwe"], lengths: [860], samples: 1 }, {});
  const config = { limit: null, methods: ["full", "h2o"], keeps: [0.5], seed: 0, maxNewTokens: null };
  const result = await evaluate({ model: model(), task, config, out });
  expect(result.identity).toMatchObject({ task: "ruler", taskSettings: { lengths: [860], samples: 1 } });
  expect(result.results.map(({ failures }) => failures)).toEqual([0, 0]);
  expect(result.results[0]?.breakdown?.map(({ facts }) => facts)).toEqual([
    { task: "niah_single_1", length: 860 },
    { task: "fwe", length: 860 },
  ]);
  expect(result.results[1]?.forwardKl).toBeGreaterThan(0);
  const rows = (await readFile(join(out, "samples.jsonl"), "utf8"))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { newTokens: number; contextTokens: number });
  expect(rows.every(({ contextTokens }) => contextTokens > 300 && contextTokens < 860 - 50)).toBe(true);
  expect(Math.max(...rows.map(({ newTokens }) => newTokens))).toBeLessThanOrEqual(128);
  // The prefix is no part of the answer, and is told apart in the table.
  expect(await readFile(join(out, "predictions.csv"), "utf8")).toMatch(/,The special magic number for .* is,"\["/);
});

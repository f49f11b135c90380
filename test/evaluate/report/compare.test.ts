import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type Comparison, compareRuns } from "../../../src/evaluate/report/compare-runs.ts";
import { comparisonTable, pairingNotes } from "../../../src/evaluate/report/compare-tables.ts";
import { comparisonPage } from "../../../src/evaluate/report/page/comparison-page.ts";
import { readRun } from "../../../src/evaluate/report/read-run.ts";
import { type RunShape, useFolder, writeRun } from "./stored-run.ts";

const folder = useFolder();
let runs = 0;

async function compared(a: RunShape, b: RunShape): Promise<Comparison> {
  const stored = [];
  for (const shape of [a, b]) {
    const at = join(folder(), `run${runs++}`);
    await writeRun(at, shape);
    stored.push(await readRun(at));
  }
  const [first, second] = stored;
  if (first === undefined || second === undefined) throw new Error("two runs were written");
  return compareRuns(first, second);
}

const better: RunShape = {
  identity: { adapterHash: "e".repeat(64) },
  row: (sample, { method, keep }) =>
    method === "kv-distill" && keep === 0.25 ? { goldInAnswer: 1, forwardKl: 0.25 * sample } : {},
};

describe("two runs", () => {
  test("are paired question by question: a constant lead has no width", async () => {
    const comparison = await compared({}, better);
    const { conditions, differs, unmatched, questions } = comparison;
    expect(questions).toBe(6);
    expect(conditions.map(({ condition: { method, keep } }) => [method, keep])).toEqual([
      ["full", undefined],
      ["none", undefined],
      ["h2o", 0.5],
      ["kv-distill", 0.5],
      ["h2o", 0.25],
      ["kv-distill", 0.25],
    ]);
    expect(differs).toEqual([{ field: "adapterHash", a: "c".repeat(64), b: "e".repeat(64) }]);
    expect(unmatched).toEqual({ questions: { a: 0, b: 0 }, conditions: { a: [], b: [] } });
    const changed = conditions.at(-1)?.measures;
    const lead = changed?.forwardKl?.difference;
    for (const value of [lead?.mean, lead?.low, lead?.high]) expect(value).toBeCloseTo(-0.25, 12);
    expect(changed?.forwardKl?.a.mean).toBeCloseTo(0.875, 12);
    expect(changed?.goldInAnswer).toMatchObject({ a: { mean: 50 }, b: { mean: 100 }, difference: { mean: 50 }, n: 6 });
    expect(changed?.goldInAnswer?.difference.low).toBeLessThan(50);
    const same = conditions[4]?.measures.goldInAnswer;
    expect(same?.difference).toEqual({ mean: 0, low: 0, high: 0 });
    const row = comparisonTable(comparison).rows.find(
      ([name, measure]) => name === "kv-distill 25%" && measure === "KL, nats",
    );
    expect(row?.[4]).toBe("-0.2500 (-0.2500 – -0.2500) *");
  });

  test("whole passages are drawn where there are enough", async () => {
    expect((await compared({ questions: 18 }, { questions: 18 })).bootstrap).toMatchObject({
      unit: "question",
      units: 18,
    });
    expect((await compared({ questions: 20 }, { questions: 20 })).bootstrap).toMatchObject({
      unit: "passage",
      units: 10,
    });
  });

  test("what only one has is left out, counted and named", async () => {
    const comparison = await compared(
      { questions: 6, methods: ["full", "h2o"], config: { limit: 6 } },
      { questions: 4, methods: ["full", "h2o", "random"], keeps: [0.25], config: { limit: 4 } },
    );
    expect(comparison.questions).toBe(4);
    expect(comparison.unmatched).toEqual({
      questions: { a: 2, b: 0 },
      conditions: { a: ["h2o 50%"], b: ["random 25%"] },
    });
    expect(comparison.conditions.map(({ measures }) => measures.forwardKl?.n)).toEqual([4, 4]);
    expect(pairingNotes(comparison).join("\n")).toMatch(
      /Only in A, left out: 2 questions\.\nOnly in A, left out: h2o 50%\.\nOnly in B, left out: random 25%\./,
    );
  });

  test("questions are matched by id, repeated ids by how often they came", async () => {
    // The same three questions, the second run in another order; one id stands there twice.
    const ids = ["x", "x", "y"];
    const other = ["y", "x", "x"];
    const kl: Record<string, number[]> = { x: [1, 2], y: [5] };
    const shape = (order: readonly string[]): RunShape => ({
      questions: 3,
      methods: ["full", "h2o"],
      keeps: [0.5],
      row: (sample, { method }) => {
        const id = order[sample] ?? "";
        const before = order.slice(0, sample).filter((one) => one === id).length;
        return { id, forwardKl: method === "full" ? 0 : (kl[id]?.[before] ?? 0) };
      },
    });
    const { conditions, questions } = await compared(shape(ids), shape(other));
    expect(questions).toBe(3);
    expect(conditions[1]?.measures.forwardKl?.difference).toEqual({ mean: 0, low: 0, high: 0 });
  });

  test("a failed question counts as wrong, and is no pair where it has no value", async () => {
    const failure = { code: "engine", message: "no" };
    const { conditions } = await compared(
      {},
      {
        row: (sample, { method }) =>
          sample === 0 && method === "none" ? { failure, finish: "failure", goldInAnswer: 0, forwardKl: null } : {},
      },
    );
    expect(conditions[1]?.failures).toEqual({ a: 0, b: 1 });
    expect(conditions[1]?.measures.goldInAnswer?.n).toBe(6);
    expect(conditions[1]?.measures.forwardKl?.n).toBe(5);
  });

  test("that asked other things are refused, with every setting that differs", async () => {
    const other = { identity: { dataSha256: "f".repeat(64), promptStyle: "plain", needles: 2 }, config: { seed: 3 } };
    await expect(compared({}, other)).rejects.toMatchObject({
      code: "bad-argument",
      facts: {
        faults: [
          expect.stringMatching(/^dataSha256: d+ and f+$/),
          "needles: nothing and 2",
          "promptStyle: short-answer and plain",
        ],
      },
    });
    await expect(compared({ methods: ["full"] }, { methods: ["none"] })).rejects.toThrow(
      /nothing in common[^]*of the second: none/,
    );
  });
});

test("the page holds the table, plots of the differences, and no text that is not escaped", async () => {
  const page = comparisonPage(await compared({ model: "<b>one" }, { ...better, model: "two" }));
  expect(page).toContain("&lt;b&gt;one");
  expect(page).toContain("-0.2500 (-0.2500 – -0.2500) *");
  expect(page).toContain("B less A: forward KL");
  expect(page).not.toMatch(/<script|<b>|\bsrc=/);
});

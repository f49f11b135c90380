import { describe, expect, test } from "vitest";
import { differencesTable, intervalNote, resultsTable } from "../../src/evaluate/report/tables.ts";
import { PLOT_WIDTH, plotsOf } from "../../src/evaluate/report/plots.ts";
import { conditionsOf } from "../../src/evaluate/run/conditions.ts";
import type { SampleRow } from "../../src/evaluate/run/sample-row.ts";
import { summarise } from "../../src/evaluate/run/summary.ts";

const options = { metrics: ["goldInAnswer", "em", "f1", "answerInGold"], seed: 0 } as const;
const conditions = conditionsOf(["none", "h2o", "full"], [0.25]);

/** Rows of `questions` questions, three to a passage; `make` says what differs. */
function rowsOf(
  questions: number,
  make: (sample: number, method: string) => Partial<SampleRow> = () => ({}),
): SampleRow[] {
  return Array.from({ length: questions }, (_, sample) =>
    conditions.map(({ method, keep }): SampleRow => {
      const kept = { full: 40, none: 4, h2o: 10 }[method] ?? 0;
      return {
        sample,
        passage: Math.floor(sample / 3),
        id: `q${sample}`,
        method,
        keep: keep ?? null,
        contextTokens: 40,
        rows: kept,
        answer: "x",
        newTokens: 1,
        finish: "stop",
        em: 0,
        f1: 0.5,
        goldInAnswer: 0,
        answerInGold: 0,
        empty: 0,
        forwardKl: method === "full" ? 0 : 1,
        top1: 1,
        answerNll: 2,
        answerTokens: 4,
        seconds: 0.5,
        ...make(sample, method),
      };
    }),
  ).flat();
}

describe("means", () => {
  test("in per cent over all questions, failures included; tokens weigh alike in agreement and perplexity", () => {
    const rows = rowsOf(4, (sample, method) => {
      if (method !== "h2o") return {};
      if (sample === 0) return { goldInAnswer: 1, em: 1, f1: 1, top1: 0, answerNll: 1, answerTokens: 12 };
      if (sample > 1) return {};
      const failure = { code: "engine", message: "no" };
      return { finish: "failure", f1: 0, empty: 1, rows: null, forwardKl: null, top1: null, answerNll: null, failure };
    });
    const { results, questions, passages } = summarise(rows, conditions, options);
    expect([questions, passages]).toEqual([4, 2]);
    expect(results.map(({ method, keep, obtainedKeep }) => [method, keep, obtainedKeep])).toEqual([
      ["full", 1, 1],
      ["none", 0.1, 0.1],
      ["h2o", 0.25, 0.25],
    ]);
    const h2o = results[2];
    expect(h2o).toMatchObject({
      goldInAnswer: 25,
      em: 25,
      f1: 50,
      emptyRate: 25,
      n: 4,
      failures: 1,
      klN: 3,
      cutRate: 0,
    });
    expect(h2o?.top1Agreement).toBeCloseTo((100 * 8) / 20, 10);
    expect(h2o?.answerPerplexity).toBeCloseTo(Math.exp((12 * 1 + 8 * 2) / 20), 10);
    expect(h2o?.secondsPerQuestion).toBe(0.5);
    // Question 1 has no divergence for h2o: nobody is compared on it.
    expect(h2o?.intervals.forwardKl?.mean).toBe(1);
    expect(results[1]?.klN).toBe(4);
  });

  test("no divergence anywhere is null, not 0", () => {
    const rows = rowsOf(2, () => ({ forwardKl: null, top1: null, answerNll: null }));
    const [full] = summarise(rows, conditions, options).results;
    expect(full).toMatchObject({ forwardKl: null, top1Agreement: null, answerPerplexity: null, klN: 0 });
    expect(full?.intervals.forwardKl).toBeNull();
  });

  test("a missing row is refused", () => {
    expect(() => summarise(rowsOf(3).slice(1), conditions, options)).toThrow("question 0, full");
    expect(() => summarise([], conditions, options)).toThrow("nothing to sum up");
  });
});

describe("intervals", () => {
  test("differences are paired: a constant lead has no width, a lead on some questions has", () => {
    const rows = rowsOf(60, (sample, method) => ({
      f1: method === "full" ? 0.75 : 0.5,
      goldInAnswer: method === "full" && sample % 3 === 0 ? 1 : 0,
    }));
    const { results, bootstrap } = summarise(rows, conditions, options);
    expect(bootstrap).toMatchObject({ unit: "passage", units: 20, confidence: 0.95 });
    const [toFull] = results[2]?.differences ?? [];
    expect(toFull?.to).toEqual({ method: "full", keep: 1 });
    expect(toFull?.f1).toEqual({ mean: -25, low: -25, high: -25 });
    // Every passage has one such question of its three: drawing whole passages shows no spread.
    expect(toFull?.goldInAnswer?.low).toBeCloseTo(-100 / 3, 10);
    expect(toFull?.goldInAnswer?.high).toBeCloseTo(-100 / 3, 10);
    expect(toFull?.forwardKl).toEqual({ mean: 1, low: 1, high: 1 });
  });

  test("questions are drawn where passages are few, which is said", () => {
    const few = summarise(rowsOf(27), conditions, options);
    expect(few.bootstrap).toMatchObject({ unit: "question", units: 27 });
    expect(intervalNote(few)).toMatch(/27 questions \(too few passages/);
    expect(intervalNote(summarise(rowsOf(30), conditions, options))).toMatch(/10 passages\./);
  });
});

test("tables say which differences leave 0 out; plots are drawn for one budget too", () => {
  const summary = summarise(
    rowsOf(30, (_, method) => ({ goldInAnswer: method === "full" ? 1 : 0 })),
    conditions,
    options,
  );
  const { columns, rows } = resultsTable(summary);
  expect(rows.map((row) => row.length)).toEqual(rows.map(() => columns.length));
  expect(rows[2]?.slice(0, 5)).toEqual(["h2o", "25%", "25%", "0.0 (0.0 – 0.0)", "0%"]);
  const zero = "0.0 (0.0 – 0.0)";
  expect(differencesTable(summary).rows).toEqual([
    ["none", "full", "-100.0 (-100.0 – -100.0) *", zero, zero, zero, "+1.000 (1.000 – 1.000) *"],
    ["h2o 25%", "full", "-100.0 (-100.0 – -100.0) *", zero, zero, zero, "+1.000 (1.000 – 1.000) *"],
  ]);
  const plots = plotsOf(summary, { model: "a <model>" });
  expect(plots.map(({ file }) => file)).toEqual(["gold-in-answer.svg", "forward-kl.svg"]);
  for (const { draw } of plots) expect(draw(PLOT_WIDTH)).toContain("a &lt;model&gt;, 30 questions");
});

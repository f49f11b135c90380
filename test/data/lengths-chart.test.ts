import fc from "fast-check";
import { expect, test } from "vitest";
import type { PassageExample, ReadTurn } from "../../src/data/examples.ts";
import { createLengthCounts, lengthsChart, summariseLengths } from "../../src/data/prepare/lengths-chart.ts";

const ids = (length: number): number[] => new Array<number>(length).fill(7);
const turn = (kind: ReadTurn["kind"], question: number, answer: number): ReadTurn => ({
  kind,
  questionIds: ids(question),
  answerIds: ids(answer),
});
const example = (context: number, ...turns: readonly ReadTurn[]): PassageExample => ({
  id: "a",
  source: "test",
  contextIds: ids(context),
  turns,
});

/** What the marks of a part say: place and height, at both ends of every bin. */
function outline(svg: string, part: string): { x: number; y: number }[] {
  const marks = svg.matchAll(new RegExp(`<title>${part} \\([^)]*\\): ([\\d.]+), ([\\d.]+) \\(`, "g"));
  return [...marks].map(([, x, y]) => ({ x: Number(x), y: Number(y) }));
}

test("every length is in the bin that holds it, as a share of its part; what is repeated is not counted", () => {
  const counts = createLengthCounts();
  counts.add(example(20, turn("question", 5, 1), turn("question", 6, 1), turn("reconstruction", 40, 40)));
  counts.add(example(22, turn("question", 7, 3)));
  const svg = lengthsChart(counts, "squad=dev.jsonl", "tiny");
  const heights = (part: string): Record<string, number> => {
    const points = outline(svg, part);
    const bins = points.flatMap(({ x, y }, i) => (i % 2 === 0 && y > 0 ? [[`${x}-${points[i + 1]?.x}`, y]] : []));
    return Object.fromEntries(bins) as Record<string, number>;
  };
  expect(heights("contexts")).toEqual({ "20-25": 100 });
  expect(heights("questions")).toEqual({ "5-6": 33.3333, "6-8": 66.6667 });
  expect(heights("answers")).toEqual({ "1-2": 66.6667, "3-4": 33.3333 });
  for (const said of ["contexts (2, median 20)", "questions (3, median 6)", "answers (3, median 1)"]) {
    expect(svg).toContain(`>${said}</text>`);
  }
  expect(svg).toContain("squad=dev.jsonl; tokenizer of tiny");
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
});

test("the shares of a part sum to all, and its bins lie side by side, each no narrower than the one before", () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(lengths, (contexts) => {
      const counts = createLengthCounts();
      for (const length of contexts) counts.add(example(length, turn("question", 3, 2)));
      const points = outline(lengthsChart(counts, "data", "model"), "contexts");
      const shares = points.filter((_, i) => i % 2 === 0).map(({ y }) => y);
      expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(100, 1);
      const edges = [...points.filter((_, i) => i % 2 === 0), points.at(-1)].map((point) => point?.x ?? NaN);
      expect(edges[0]).toBe(1);
      expect(edges.at(-1)).toBeGreaterThan(Math.max(...contexts));
      const widths = edges.slice(1).map((edge, i) => edge - (edges[i] ?? NaN));
      expect(widths).toEqual(widths.toSorted((a, b) => a - b));
      points.forEach(({ x }, i) => {
        if (i % 2 === 1 && i + 1 < points.length) expect(points[i + 1]?.x).toBe(x);
      });

      const sorted = contexts.toSorted((a, b) => a - b);
      expect(summariseLengths(counts.counts.contexts)).toEqual({
        count: sorted.length,
        least: sorted[0],
        median: sorted[Math.ceil(sorted.length / 2) - 1],
        most: sorted.at(-1),
      });
    }),
  );
  expect(summariseLengths(new Map())).toBeUndefined();
});

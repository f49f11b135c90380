import fc from "fast-check";
import { expect, test } from "vitest";
import { keptCount } from "../../src/compress/kept-count.ts";
import { selectKept, selectTokens } from "../../src/compress/select.ts";

const request = fc
  .record({
    tokens: fc.integer({ min: 1, max: 30 }),
    columns: fc.integer({ min: 1, max: 5 }),
    sinks: fc.integer({ min: 0, max: 6 }),
    keep: fc.double({ min: 0.01, max: 1, noNaN: true }),
  })
  .chain(({ tokens, columns, sinks, keep }) =>
    fc.array(fc.float({ noNaN: true }), { minLength: tokens * columns, maxLength: tokens * columns }).map((scores) => ({
      scores: Float32Array.from(scores),
      columns,
      sinks,
      count: keptCount(tokens, keep, sinks),
    })),
  );

test("every head keeps as many, sorted, once each, sinks among them, none left out that scores higher", () => {
  fc.assert(
    fc.property(request, ({ scores, columns, count, sinks }) => {
      const tokens = scores.length / columns;
      const { kept, routed } = selectTokens(scores, columns, count, sinks);
      expect(kept).toHaveLength(columns);
      for (const positions of [...kept, routed]) {
        expect(positions).toHaveLength(count);
        expect([...positions]).toEqual([...new Set(positions)].sort((a, b) => a - b));
        for (let sink = 0; sink < Math.min(sinks, tokens); sink++) expect(positions).toContain(sink);
      }
      kept.forEach((positions, column) => {
        const at = (token: number): number => scores[token * columns + column] ?? NaN;
        const lowest = Math.min(...[...positions].filter((token) => token >= sinks).map(at));
        for (let token = sinks; token < tokens; token++)
          if (!positions.includes(token)) expect(at(token)).toBeLessThanOrEqual(lowest);
      });
    }),
  );
});

test("query and output adapters follow the mean score", () => {
  const scores = Float32Array.of(0, 9, 5, 5, 9, 0, 4, 4);
  const { kept, routed } = selectTokens(scores, 2, 1, 0);
  expect(kept.map((positions) => [...positions])).toEqual([[2], [0]]);
  expect([...routed]).toEqual([1]);
  expect([...selectTokens(Float32Array.of(1, 3, 2), 1, 2, 0).routed]).toEqual([1, 2]);
});

test("of equal scores the earlier token wins", () => {
  expect([...selectKept([1, 1, 1, 1], 2, 0)]).toEqual([0, 1]);
  expect([...selectKept([0, 0, 0, 5], 2, 2)]).toEqual([0, 1]);
});

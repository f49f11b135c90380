import fc from "fast-check";
import { expect, test } from "vitest";
import { keptCount } from "../../src/compress/kept-count.ts";
import { selectAcross, selectKept, selectTokens } from "../../src/compress/select.ts";

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
      const { kept, routed } = selectTokens(scores, { selection: "per-head", routing: "kept", columns, count, sinks });
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
  const { kept, routed } = selectTokens(scores, {
    selection: "per-head",
    routing: "kept",
    columns: 2,
    count: 1,
    sinks: 0,
  });
  expect(kept.map((positions) => [...positions])).toEqual([[2], [0]]);
  expect([...routed]).toEqual([1]);
  expect([
    ...selectTokens(Float32Array.of(1, 3, 2), { selection: "shared", routing: "kept", columns: 1, count: 2, sinks: 0 })
      .routed,
  ]).toEqual([1, 2]);
});

test("of equal scores the earlier token wins", () => {
  expect([...selectKept([1, 1, 1, 1], 2, 0)]).toEqual([0, 1]);
  expect([...selectKept([0, 0, 0, 5], 2, 2)]).toEqual([0, 1]);
});

test("what is kept is what sorting positions by score gives, with zeros of both signs, infinities and NaN", () => {
  const score = fc.constantFrom(-Infinity, -2, -0, 0, 1, 1.5, Infinity, NaN);
  fc.assert(
    fc.property(fc.array(score, { maxLength: 20 }), fc.nat(22), fc.nat(4), (scores, count, sinks) => {
      const rank = (position: number): number => {
        const own = scores[position] ?? NaN;
        return position < sinks ? Infinity : Number.isNaN(own) ? -Infinity : own;
      };
      const order = [...scores.keys()].sort((a, b) => (rank(a) === rank(b) ? a - b : rank(b) - rank(a)));
      const wanted = order.slice(0, count).sort((a, b) => a - b);
      expect([...selectKept(scores, count, sinks)]).toEqual(wanted);
    }),
  );
});

test("heads that share a budget use all of it, keep their sinks, and leave out nothing that scores higher", () => {
  const shared = fc
    .record({ heads: fc.integer({ min: 1, max: 4 }), tokens: fc.integer({ min: 1, max: 12 }), sinks: fc.nat(3) })
    .chain(({ heads, tokens, sinks }) => {
      const own = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: tokens, maxLength: tokens });
      return fc.record({
        scores: fc.array(own, { minLength: heads, maxLength: heads }),
        total: fc.integer({ min: heads * Math.min(sinks, tokens), max: heads * tokens }),
        sinks: fc.constant(sinks),
        spare: fc.nat(6),
      });
    });
  fc.assert(
    fc.property(shared, ({ scores, total, sinks, spare }) => {
      const most = Math.ceil(total / scores.length) + spare;
      const kept = selectAcross(scores, total, sinks, most).map((own) => [...own]);
      expect(kept.flat()).toHaveLength(total);
      kept.forEach((own, head) => {
        expect(own.length).toBeLessThanOrEqual(most);
        // Of itself a head keeps the best, as if it were alone.
        expect(own).toEqual([...selectKept(scores[head] ?? [], own.length, sinks)]);
      });
      // What is left out scores higher than something kept only in a head that is full.
      const least = Math.min(
        ...kept.flatMap((own, head) => own.slice(sinks).map((token) => scores[head]?.[token] ?? NaN)),
      );
      scores.forEach((own, head) => {
        const out = own.filter((_, token) => !(kept[head] ?? []).includes(token));
        if ((kept[head] ?? []).length < most) expect(Math.max(-Infinity, ...out)).toBeLessThanOrEqual(least);
      });
      const free = selectAcross(scores, total, sinks);
      if (free.every(({ length }) => length <= most)) expect(kept).toEqual(free.map((own) => [...own]));
    }),
  );
  fc.assert(
    fc.property(shared, ({ scores, total, sinks }) => {
      const kept = selectAcross(scores, total, sinks).map((own) => [...own]);
      expect(kept.flat()).toHaveLength(total);
      const [inside, outside]: [number[], number[]] = [[], []];
      kept.forEach((own, head) => {
        expect(own).toEqual([...new Set(own)].sort((a, b) => a - b));
        scores[head]?.forEach((score, token) => {
          if (token < sinks) expect(own).toContain(token);
          else (own.includes(token) ? inside : outside).push(score);
        });
      });
      expect(Math.min(...inside)).toBeGreaterThanOrEqual(Math.max(...outside));
    }),
  );
});

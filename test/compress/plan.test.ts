import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type AskedKeep, keyValueBytes } from "../../src/cache/kv-cache.ts";
import { rowsFor } from "../../src/compress/budget.ts";
import { FOLD_CUTS } from "../../src/cache/adapter.ts";
import { type Folding, folds } from "../../src/compress/fold.ts";
import { planCompression, type PlanRequest } from "../../src/compress/plan.ts";
import type { ModelConfig } from "../../src/models/config.ts";

const config = {
  family: "llama",
  positions: "rotary",
  numLayers: 3,
  numKvHeads: 2,
  headDim: 8,
  maxPositions: 1000,
  slidingWindow: undefined,
} as unknown as ModelConfig;
const ROW = 2 * 3 * 2 * 8 * 2;
const code = (name: string): Error => expect.objectContaining({ code: name }) as Error;

const tokens = fc.integer({ min: 1, max: 5000 });
const sinks = fc.integer({ min: 0, max: 9 });

describe("budget", () => {
  test("a fraction: never less than the sinks and one more, never more than there is, and monotone", () => {
    const fraction = fc.double({ min: 1e-6, max: 1, noNaN: true });
    fc.assert(
      fc.property(tokens, sinks, fraction, fraction, (length, first, a, b) => {
        const rows = (value: number): number => rowsFor({ kind: "fraction", value }, length, first, config);
        expect(rows(a)).toBeGreaterThanOrEqual(Math.min(length, first + 1));
        expect(rows(a)).toBeLessThanOrEqual(length);
        expect(rows(Math.min(a, b))).toBeLessThanOrEqual(rows(Math.max(a, b)));
        if (a * length > first + 1) expect(Math.abs(rows(a) - a * length)).toBeLessThanOrEqual(0.5);
        expect(rows(1)).toBe(length);
      }),
    );
  });

  test("a number of tokens is obtained exactly, or everything when there are fewer", () => {
    fc.assert(
      fc.property(tokens, sinks, fc.integer({ min: 10, max: 6000 }), (length, first, value) => {
        expect(rowsFor({ kind: "tokens", value }, length, first, config)).toBe(Math.min(value, length));
      }),
    );
  });

  test("bytes: as many rows as fit, as they are stored, and not one more", () => {
    expect(keyValueBytes(config, 1, 2)).toBe(ROW);
    fc.assert(
      fc.property(tokens, sinks, fc.integer({ min: 10 * ROW, max: 6000 * ROW }), (length, first, value) => {
        const rows = rowsFor({ kind: "bytes", value }, length, first, config);
        expect(rows * ROW).toBeLessThanOrEqual(value);
        if (rows < length) expect((rows + 1) * ROW).toBeGreaterThan(value);
      }),
    );
  });

  test.each<[string, AskedKeep]>([
    ["nothing", { kind: "fraction", value: 0 }],
    ["more than everything", { kind: "fraction", value: 1.01 }],
    ["fewer tokens than the sinks and one", { kind: "tokens", value: 4 }],
    ["part of a token", { kind: "tokens", value: 7.5 }],
    ["fewer bytes than five rows", { kind: "bytes", value: 5 * ROW - 1 }],
  ])("refused: %s", (_, asked) => {
    expect(() => rowsFor(asked, 100, 4, config)).toThrow(code("bad-argument"));
  });
});

const even = (foldTokens: number): Folding => ({ foldTokens, foldCut: "even" });

describe("folds", () => {
  const request = fc
    .record({
      length: tokens,
      first: sinks,
      foldTokens: fc.integer({ min: 28, max: 2000 }),
      foldCut: fc.constantFrom(...FOLD_CUTS),
    })
    .chain(({ length, first, ...folding }) =>
      fc.integer({ min: Math.min(length, first + 1), max: length }).map((count) => ({ length, first, folding, count })),
    );

  test("cover the text in order, none longer than asked, as few as can be: none half as short, or all but the last full", () => {
    fc.assert(
      fc.property(request, ({ length, first, folding, count }) => {
        const { foldTokens, foldCut } = folding;
        const cut = folds(length, count, first, folding);
        // The sinks are read in front of every fold but the first.
        const room = length > foldTokens ? foldTokens - first : foldTokens;
        expect(cut).toHaveLength(Math.ceil(length / room));
        let reached = 0;
        for (const [i, { start, end, lead }] of cut.entries()) {
          expect(start).toBe(reached);
          expect(end).toBeGreaterThan(start);
          expect(lead + end - start).toBeLessThanOrEqual(foldTokens);
          if (foldCut === "full" && i + 1 < cut.length) expect(end - start).toBe(room);
          if (foldCut === "even" && cut.length > 1) expect(end - start).toBeGreaterThanOrEqual(Math.floor(room / 2));
          reached = end;
        }
        expect(reached).toBe(length);
      }),
    );
  });

  test("share the rows exactly: the sinks in the first, none with more rows than tokens", () => {
    fc.assert(
      fc.property(request, ({ length, first, folding, count }) => {
        const cut = folds(length, count, first, folding);
        expect(cut.reduce((sum, fold) => sum + fold.count, 0)).toBe(count);
        expect(cut[0]?.sinks).toBe(Math.min(first, length));
        expect(cut[0]?.count).toBeGreaterThanOrEqual(cut[0]?.sinks ?? NaN);
        for (const [i, { start, end, count: own, lead }] of cut.entries()) {
          // The sinks again, in front of every later fold, and never its own tokens.
          expect(lead).toBe(i === 0 ? 0 : first);
          expect(lead).toBeLessThanOrEqual(start);
          expect(own).toBeGreaterThanOrEqual(0);
          expect(own).toBeLessThanOrEqual(end - start);
        }
      }),
    );
  });

  test.each([0, 12, 19.5, NaN])("refused: folds of %s tokens for four sinks", (foldTokens) => {
    expect(() => folds(100, 50, 4, even(foldTokens))).toThrow(code("bad-argument"));
  });
});

describe("plan", () => {
  const plan = (changes: Partial<PlanRequest> & { readonly tokens: number }, model: ModelConfig = config) =>
    planCompression(
      {
        span: { start: 0, end: changes.tokens },
        keep: { kind: "fraction", value: 0.25 },
        sinks: 4,
        folding: undefined,
        ...changes,
      },
      model,
      "tiny",
    );

  test("what lies outside the span is all kept; the budget is the span's", () => {
    const spans = fc
      .tuple(fc.integer({ min: 1, max: 999 }), fc.nat(), fc.nat())
      .map(([length, a, b]) => ({ length, start: a % length, end: (a % length) + 1 + (b % (length - (a % length))) }));
    fc.assert(
      fc.property(spans, fc.double({ min: 0.01, max: 0.9, noNaN: true }), (span, value) => {
        const { pieces, rows } = plan({ tokens: span.length, span, keep: { kind: "fraction", value } });
        const [piece] = pieces;
        expect(pieces).toHaveLength(1);
        expect(piece).toMatchObject({ start: 0, end: span.end });
        const inside = (piece?.count ?? NaN) - span.start;
        const leading = Math.max(0, 4 - span.start);
        expect(inside).toBe(rowsFor({ kind: "fraction", value }, span.end - span.start, leading, config));
        expect(piece?.sinks).toBe(span.start + Math.min(leading, span.end - span.start));
        expect(rows).toBe(span.start + inside + span.length - span.end);
      }),
    );
  });

  test("a context that is too long is refused with a way out, and folded when asked", () => {
    expect(() => plan({ tokens: 1001 })).toThrow(/--fold/);
    const { pieces, beyondTraining } = plan({ tokens: 3000, folding: even(400) });
    expect(pieces).toHaveLength(8);
    expect(beyondTraining).toBe(true);
    expect(plan({ tokens: 900, folding: even(400) }).beyondTraining).toBe(false);
  });

  test("heads that keep different numbers of rows may fill the model, and no more", () => {
    const texts = fc.record({ tokens: fc.integer({ min: 100, max: 3900 }), fold: fc.integer({ min: 20, max: 900 }) });
    fc.assert(
      fc.property(texts, ({ tokens, fold }) => {
        const { pieces } = plan({ tokens, folding: even(fold) });
        expect(pieces.reduce((sum, { most }) => sum + most, 0)).toBe(999);
        for (const { most, count } of pieces) expect(most).toBeGreaterThanOrEqual(count);
      }),
    );
    const span = { start: 20, end: 900 };
    const { pieces, rows } = plan({ tokens: 950, span, folding: even(100) });
    // The sinks are the context's, which lie in front of the span.
    expect(pieces.map(({ lead }) => lead)).toEqual([0, ...pieces.slice(1).map(() => 4)]);
    expect(pieces.reduce((sum, { most }) => sum + most, 0)).toBe(999 - 50);
    expect(rows).toBe(pieces.reduce((sum, { count }) => sum + count, 0) + 50);
  });

  test("refused: what the model could not read afterwards", () => {
    expect(() => plan({ tokens: 5000, folding: even(400) })).toThrow(/alone would fill/);
    expect(() => plan({ tokens: 1500, span: { start: 800, end: 1500 }, folding: even(400) })).toThrow(/in front of/);
    expect(() =>
      plan({ tokens: 1001, folding: even(400) }, { ...config, family: "gpt2", positions: "learned" } as ModelConfig),
    ).toThrow(code("unsupported"));
  });

  test.each([
    { start: 5, end: 5 },
    { start: -1, end: 5 },
    { start: 0, end: 101 },
    { start: 0.5, end: 5 },
  ])("refused: span $start to $end of 100 tokens", (span) => {
    expect(() => plan({ tokens: 100, span })).toThrow(code("bad-argument"));
  });
});

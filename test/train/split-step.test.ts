import { expect, test } from "vitest";
import { splitStep } from "../../src/train/accumulate.ts";

test("a step's passages share micro-batches by length, each passage once", () => {
  const items = [9, 2, 8, 1, 2].map((tokens, i) => ({
    passage: { id: `p${i}`, source: "test", contextIds: new Array<number>(tokens).fill(0), turns: [] },
    keep: 0.5,
  }));
  const ids = splitStep(items, 2).map((part) => part.map(({ passage }) => passage.id));
  expect(ids).toEqual([["p3", "p1"], ["p4", "p2"], ["p0"]]);
});

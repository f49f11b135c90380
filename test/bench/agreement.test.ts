import { expect, test } from "vitest";
import { agreementOf } from "../../src/bench/agreement.ts";

test("losses may differ by a hundredth, whole numbers not at all", () => {
  expect(agreementOf({ loss: 0.5 }, { loss: 0.504 })).toEqual({ text: "loss 0.5000 / 0.5040", same: true });
  expect(agreementOf({ loss: 0.5 }, { loss: 0.6 })?.same).toBe(false);
  expect(agreementOf({ next: 1000 }, { next: 1001 })).toEqual({ text: "next 1000 / 1001", same: false });
});

test("answers agree until they part", () => {
  expect(agreementOf({ ids: [1, 2, 3, 4] }, { ids: [1, 2, 9, 4] })).toEqual({
    text: "first 2 of 4 tokens",
    same: true,
  });
  expect(agreementOf({ ids: [1, 2, 3, 4] }, { ids: [1, 9, 3, 4] })?.same).toBe(false);
  expect(agreementOf({ ids: [1, 2] }, { ids: [1, 2, 3] })?.same).toBe(false);
});

test("what has nothing in common is not compared", () => {
  expect(agreementOf({ rows: 3 }, { next: 3 })).toBeUndefined();
  expect(agreementOf({ x: 3 }, { x: [3] })?.same).toBe(false);
});

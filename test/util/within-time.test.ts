import { expect, test } from "vitest";
import { TimeIsUp, withinTime } from "../../src/util/within-time.ts";

const forEver = (): never => {
  for (;;);
};

test("a value and an error pass through", () => {
  expect(withinTime(() => 3, 1000)).toBe(3);
  const fault = new Error("mine");
  expect(() =>
    withinTime(() => {
      throw fault;
    }, 1000),
  ).toThrow(fault);
});

test("what goes on for ever is stopped, a regular expression too", () => {
  expect(() => withinTime(forEver, 50)).toThrow(TimeIsUp);
  expect(() => withinTime(() => /(a+)+$/.test(`${"a".repeat(60)}b`), 50)).toThrow(TimeIsUp);
  expect(withinTime(() => "after", 1000)).toBe("after");
});

test("work within work has its own time, and the outer one goes on", () => {
  const outer = withinTime(() => {
    expect(() => withinTime(forEver, 50)).toThrow(TimeIsUp);
    return withinTime(() => 1, 1000) + 1;
  }, 5000);
  expect(outer).toBe(2);
});

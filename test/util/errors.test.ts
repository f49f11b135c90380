import { expect, test } from "vitest";
import { KvDistillError } from "../../src/util/errors.ts";

test("a message says what, where, expected, got and what to do", () => {
  const facts = { where: "a.kvd", expected: "1", got: "2", hint: "compress again", faults: ["x", "y"] };
  const error = new KvDistillError("unsupported", "version not handled", facts);
  expect(error.message).toBe("a.kvd: version not handled; expected 1; got 2\n  - x\n  - y\n  hint: compress again");
  expect(error.facts).toEqual(facts);
});

test("what was found is cut visibly, in the message and in the facts", () => {
  const error = new KvDistillError("bad-file", "wrong", { got: "a".repeat(1e6) });
  expect(error.facts.got).toBe(`${"a".repeat(500)}…`);
  expect(error.message).toBe(`wrong; got ${"a".repeat(500)}…`);
  const short = new KvDistillError("bad-file", "wrong", { got: "a".repeat(500) });
  expect(short.facts.got).toBe("a".repeat(500));
});

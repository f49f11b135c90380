import { expect, test } from "vitest";
import { failureRows, runRows, type ToldRun } from "../../src/cli/jobs/rows.ts";
import type { FailedWork } from "../../src/distribute/status/read-failures.ts";

const failed = (changes: Partial<FailedWork>): FailedWork => ({
  ...{
    job: "eval-0123456789ab-3",
    names: ["a.txt"],
    units: 1,
    code: "engine",
    message: "why",
    attempts: 3,
    again: false,
  },
  ...changes,
});

test("what failed is told by its names, by how many more there are, or by its job", () => {
  const which = (changes: Partial<FailedWork>): string | undefined => failureRows(failed(changes), "documents")[0];
  expect(which({})).toBe("a.txt");
  expect(which({ names: ["a.txt", "b.txt"], units: 2 })).toBe("a.txt, b.txt");
  expect(which({ names: ["a.txt", "b.txt"], units: 1202 })).toBe("a.txt, b.txt, 1,200 more");
  expect(which({ names: [], units: 7 })).toBe("7 documents");
  expect(which({ names: [], units: 0 })).toBe("eval-0123456789ab-3");
});

test("how often it was tried, and whether it is tried again", () => {
  const tried = (changes: Partial<FailedWork>): string | undefined => failureRows(failed(changes), "documents")[1];
  expect(tried({})).toBe("3 times");
  expect(tried({ attempts: 1 })).toBe("once");
  expect(tried({ attempts: 1, again: true })).toBe("once, and again soon");
});

test("a run counts what failed for good, not its jobs", () => {
  const run: ToldRun = {
    ...{ run: "compress-0123456789ab", kind: "compress", title: "t", state: "working", unit: "documents", units: 900 },
    ...{ jobs: { total: 9, done: 3, failed: 0 }, begun: "", seconds: 1, perSecond: 0 },
    failures: [failed({}), failed({ names: [], units: 1200 }), failed({ units: 50, again: true })],
  };
  expect(runRows(run).at(-1)).toBe("1,201");
});

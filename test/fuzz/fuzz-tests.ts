import { mkdtempSync, rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CASES } from "./cases.ts";
import { scratchFolder } from "./long-run/child.ts";
import { BLOCK, casesOf } from "./long-run/shares.ts";
import { emptyTally, runCases, runEdges, type Running } from "./run-cases.ts";
import type { Target } from "./target.ts";
import { TARGETS } from "./targets/index.ts";

const SEED = 20_261;

/** The tests of some targets: files run side by side, targets of one file one after another. */
export function fuzzTests(targets: readonly Target[]): void {
  describe.each(targets.map((target) => [target.name, target] as const))("%s", (name, target) => {
    let root = "";
    let running: Running | undefined;
    beforeAll(async () => {
      root = scratchFolder();
      running = { name, stream: TARGETS.indexOf(target), opened: await target.open(mkdtempSync(`${root}/`)) };
    });
    afterAll(async () => {
      await running?.opened.close();
      rmSync(root, { recursive: true, force: true });
    });
    const opened = (): Running => {
      if (running === undefined) throw new Error("the target is opened before its tests run");
      return running;
    };

    test("drawn cases: a value that holds what is promised, or a refusal", async () => {
      const tally = emptyTally();
      const cases = casesOf(target, CASES / BLOCK);
      await runCases(opened(), SEED, 0, cases, tally);
      expect(tally.failures).toEqual([]);
      expect(tally.cases).toBe(cases);
      // The cases reach both sides of the parser.
      expect(tally.values).toBeGreaterThan(0);
    });

    test("small files cut off at every byte, and with a bit of every byte turned over", async () => {
      const tally = emptyTally();
      await runEdges(opened(), tally);
      expect(tally.failures).toEqual([]);
      expect(tally.cases).toBeGreaterThan(0);
    });
  });
}

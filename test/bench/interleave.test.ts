import { expect, test } from "vitest";
import { interleave } from "../../src/bench/interleave.ts";
import { KvDistillError } from "../../src/util/errors.ts";
import { expectRejection } from "./expect-error.ts";

const OPTIONS = { warmups: 1, repetitions: 3, settle: 0 };

/** Contestants that write down their turns; `fails` names the round in which one fails. */
function contestants(names: readonly string[], log: string[], fails: Readonly<Record<string, number>> = {}) {
  return names.map((name) => ({
    name,
    turn: (round: number) => {
      log.push(`${name}${round}`);
      if (fails[name] === round) return Promise.reject(new KvDistillError("peer", `${name} broke`));
      return Promise.resolve(round);
    },
  }));
}

test("every round has every contestant, in order; warm-ups do not count", async () => {
  const log: string[] = [];
  const turns: string[] = [];
  const results = await interleave(contestants(["a", "b", "c"], log), {
    ...OPTIONS,
    onTurn: (name) => turns.push(name),
  });
  expect(log).toEqual(["a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "c2", "a3", "b3", "c3"]);
  expect(results).toEqual(["a", "b", "c"].map((name) => ({ name, samples: [1, 2, 3] })));
  expect(turns).toHaveLength(12);
});

test("a peer that fails leaves, the others go on", async () => {
  const log: string[] = [];
  const results = await interleave(contestants(["a", "b", "c"], log, { b: 2 }), OPTIONS);
  expect(log).toEqual(["a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "c2", "a3", "c3"]);
  expect(results[1]).toEqual({ name: "b", samples: [1], failure: "b broke" });
  expect(results[2]?.samples).toEqual([1, 2, 3]);
});

test("when the first fails, nothing is left to measure", async () => {
  await expectRejection(interleave(contestants(["a", "b"], [], { a: 1 }), OPTIONS), "peer", /a broke/);
});

test("a signal ends it before the next turn", async () => {
  const log: string[] = [];
  const controller = new AbortController();
  const stop = (): void => {
    if (log.length === 3) controller.abort(new KvDistillError("cancelled", "stopped"));
  };
  const work = interleave(contestants(["a", "b"], log), { ...OPTIONS, signal: controller.signal, onTurn: stop });
  await expectRejection(work, "cancelled", /stopped/);
  expect(log).toEqual(["a0", "b0", "a1"]);
});

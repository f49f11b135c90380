import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { KvDistillError } from "../../src/util/errors.ts";
import { judge } from "./judge.ts";
import { damages, mutateBytes } from "./make/bytes.ts";
import { Dice } from "./make/dice.ts";
import { mutateTree, printTree, treeOf } from "./make/json-tree.ts";
import { type Case, must } from "./target.ts";

const given = (run: () => Promise<void> | void): Case => ({ bytes: 10, shown: () => "", run: async () => run() });

describe("the judge", () => {
  test("takes values and refusals", async () => {
    expect(await judge(given(() => undefined))).toEqual({ outcome: "value" });
    const refuse = given(() => {
      throw new KvDistillError("bad-file", "no");
    });
    expect(await judge(refuse)).toEqual({ outcome: "refused", code: "bad-file" });
  });

  test.each<[string, () => Promise<void> | void]>([
    [
      "another error",
      () => {
        throw new TypeError("x of undefined");
      },
    ],
    [
      "a broken promise",
      () => {
        must(false, "a size");
      },
    ],
    [
      "no memory left",
      () => {
        throw new KvDistillError("out-of-memory", "none");
      },
    ],
    [
      "a message without end",
      () => {
        throw new KvDistillError("bad-file", "x".repeat(50_000));
      },
    ],
    [
      "a rejection that nobody looks at",
      () => {
        void Promise.reject(new Error("lost"));
        throw new KvDistillError("bad-file", "no");
      },
    ],
    [
      "memory",
      () => {
        new Uint8Array(300 * 2 ** 20).fill(1);
      },
    ],
    [
      "time",
      () => {
        const end = process.cpuUsage().user + 150_000;
        while (process.cpuUsage().user < end);
      },
    ],
  ])("finds %s", async (_, run) => {
    expect((await judge(given(run), { milliseconds: 100, growth: 192 * 2 ** 20 })).outcome).toBe("failure");
  });

  test("finds a changed prototype", async () => {
    const prototype = Object.prototype as Record<string, unknown>;
    const verdict = await judge(
      given(() => {
        prototype.polluted = 1;
      }),
    );
    delete prototype.polluted;
    expect(verdict).toEqual({ outcome: "failure", why: "Object.prototype was changed" });
  });
});

test("the same seed, target and number make the same case; others make others", () => {
  const tree = treeOf({ a: [1, 2, { b: "c" }], d: null });
  const texts = (seed: number, target: number): string[] =>
    Array.from({ length: 50 }, (_, i) => printTree(mutateTree(tree, new Dice(seed, target, i))));
  expect(texts(1, 2)).toEqual(texts(1, 2));
  expect(texts(1, 2)).not.toEqual(texts(2, 2));
  expect(texts(1, 2)).not.toEqual(texts(1, 3));
  expect(new Set(texts(1, 2)).size).toBeGreaterThan(30);
});

test("a tree prints what it was made of", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(JSON.parse(printTree(treeOf(value)))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

test("bytes are not changed in place, and every damage is another file", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.nat(), (bytes, seed) => {
      const before = Uint8Array.from(bytes);
      mutateBytes(bytes, new Dice(seed, 0, 0));
      const damaged = [...damages(bytes)];
      expect(bytes).toEqual(before);
      expect(damaged).toHaveLength(2 * bytes.length);
      for (const one of damaged) expect(Buffer.from(one).equals(Buffer.from(before))).toBe(false);
    }),
  );
});

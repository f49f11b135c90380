import { createReadStream, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import * as promises from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { KvDistillError } from "../../src/util/errors.ts";
import { judge } from "./judge.ts";
import { useDirectFiles } from "./long-run/direct-files.ts";
import { damages, mutateBytes } from "./make/bytes.ts";
import { filesCase } from "./make/case.ts";
import { Dice } from "./make/dice.ts";
import { mutateTree, printTree, treeOf } from "./make/json-tree.ts";
import { emptyTally, runCases, type Running } from "./run-cases.ts";
import { type Case, must } from "./target.ts";

/** No case is run again to see how long it takes. */
const NONE_SLOWER = { case: 0, milliseconds: Infinity };

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

/** Keeps the processor busy for so many milliseconds. */
function work(milliseconds: number): void {
  const used = (): number => process.cpuUsage().user + process.cpuUsage().system;
  const end = used() + 1000 * milliseconds;
  while (used() < end);
}

const opening = (run: (number: number) => void): Running => {
  let number = 0;
  const make = (): Case => {
    const own = number++;
    return given(() => {
      run(own);
    });
  };
  return { name: "x", stream: 0, opened: { make, edges: () => [], close: () => Promise.resolve() } };
};

describe("a batch of cases", () => {
  const limits = { milliseconds: 100, growth: 192 * 2 ** 20 };

  test.each<[string, () => void]>([
    [
      "time",
      () => {
        work(150);
      },
    ],
    [
      "memory",
      () => {
        new Uint8Array(300 * 2 ** 20).fill(1);
      },
    ],
    [
      "a rejection",
      () => {
        void Promise.reject(new Error("lost"));
      },
    ],
    [
      "a prototype",
      () => {
        (Array.prototype as unknown as Record<string, unknown>).polluted = 1;
      },
    ],
    [
      "an error",
      () => {
        throw new TypeError("x of undefined");
      },
    ],
  ])("tells which of them is at fault: %s", async (_, bad) => {
    const running = opening((number) => {
      if (number === 7) bad();
      if (number % 2 === 0) throw new KvDistillError("bad-file", "no");
    });
    const tally = emptyTally();
    await runCases(running, 1, 0, 20, tally, limits);
    expect(tally.failures.map((failure) => failure.case)).toEqual([7]);
    expect([tally.cases, tally.values, tally.refusals.get("bad-file")]).toEqual([20, 9, 10]);
  });

  test("passes where only several of them together are over what one may take", async () => {
    const tally = emptyTally();
    const running = opening(() => {
      work(40);
    });
    await runCases(running, 1, 0, 8, tally, limits);
    expect([tally.failures, tally.cases]).toEqual([[], 8]);
  });

  test("of which none does again what one of them did is told as a whole", async () => {
    let times = 0;
    const running = opening((number) => {
      if (number === 3 && times++ === 0) void Promise.reject(new Error("lost"));
    });
    const tally = emptyTally(NONE_SLOWER);
    await runCases(running, 1, 0, 5, tally);
    expect(tally.failures.map(({ case: number, why }) => [number, why])).toEqual([
      [0, "one of the cases from here to 4: a promise was rejected and nobody looked: lost"],
    ]);
  });
});

describe("the files of a case", () => {
  const scratch = mkdtempSync(join(tmpdir(), "kv-distill-laid-"));
  const files = { a: Buffer.from("one"), "b/c": Buffer.from("two") };
  const path = (name: string): string => join(scratch, name);
  afterAll(() => {
    rmSync(scratch, { recursive: true });
  });

  test.each<[string, () => void]>([
    [
      "is written again with as many bytes",
      () => {
        writeFileSync(path("a"), "eno");
      },
    ],
    [
      "is added",
      () => {
        writeFileSync(path("b/d"), "");
      },
    ],
    [
      "is taken away",
      () => {
        rmSync(path("b/c"));
      },
    ],
    [
      "takes another's place",
      () => {
        writeFileSync(path("t"), "two");
        renameSync(path("t"), path("b/c"));
      },
    ],
  ])("a file %s", async (_, change) => {
    const touch = filesCase(scratch, files, () => {
      change();
      return Promise.resolve();
    });
    const read = filesCase(scratch, files, () => Promise.resolve());
    expect((await judge(read)).outcome).toBe("value");
    expect((await judge(touch)).outcome).toBe("failure");
    expect((await judge(read)).outcome).toBe("value");
    expect([readFileSync(path("a"), "utf8"), readFileSync(path("b/c"), "utf8")]).toEqual(["one", "two"]);
    expect(readdirSync(path("b"))).toEqual(["c"]);
  });
});

test("files that are read at once give what the pool gives", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kv-distill-direct-"));
  const streamed = async (stream: AsyncIterable<Buffer>): Promise<string> => {
    const pieces: Buffer[] = [];
    for await (const piece of stream) pieces.push(piece);
    return Buffer.concat(pieces).toString();
  };
  const works: readonly ((name: string) => Promise<unknown>)[] = [
    (name) => promises.readFile(name, "utf8"),
    async (name) => (await promises.stat(name)).isFile(),
    (name) => promises.readdir(name),
    (name) => promises.realpath(name),
    (name) => streamed(createReadStream(name) as AsyncIterable<Buffer>),
    async (name) => streamed((await promises.open(name)).createReadStream({ start: 2 }) as AsyncIterable<Buffer>),
    async (name) => {
      const file = await promises.open(name, "r+");
      try {
        await file.write(Buffer.from("x"), 0, 1, 3);
        const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 2);
        return [buffer.toString(), bytesRead, (await file.stat()).size, (await file.readFile()).length];
      } finally {
        await file.close();
      }
    },
    async (name) => {
      await promises.writeFile(`${name}.new`, Readable.from(["ab", "c"]));
      await promises.rename(`${name}.new`, `${name}.moved`);
      const text = await promises.readFile(`${name}.moved`, "utf8");
      await promises.rm(`${name}.moved`);
      return text;
    },
  ];
  const outcomes = async (): Promise<unknown[]> => {
    const all: unknown[] = [];
    writeFileSync(join(folder, "a"), "0123456789");
    for (const name of ["a", "b", "", "a/b"]) {
      for (const run of works) {
        all.push(
          await run(join(folder, name)).then(
            (value) => value,
            // With a stream that reads a folder the message has no path in either.
            (error: unknown) => [(error as NodeJS.ErrnoException).code, (error as NodeJS.ErrnoException).syscall],
          ),
        );
      }
    }
    return all;
  };
  const pooled = await outcomes();
  const ways = useDirectFiles();
  const direct = await outcomes();
  ways.pooled = true;
  rmSync(folder, { recursive: true });
  expect(direct).toEqual(pooled);
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

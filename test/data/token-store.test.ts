import { createHash } from "node:crypto";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { examplesInMemory } from "../../src/data/example-set.ts";
import type { PassageExample, ReadTurn } from "../../src/data/examples.ts";
import type { StoreFacts } from "../../src/data/store/header.ts";
import { openTokenStore, verifyStore } from "../../src/data/store/open-store.ts";
import { writeStoreFiles } from "../../src/data/store/write-store.ts";
import { isKvDistillError } from "../../src/util/errors.ts";
import { randomFromSeed } from "../../src/util/random.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "kv-distill-store-"));
});
afterAll(() => rm(folder, { recursive: true }));

const limits = {
  minContextTokens: 1,
  maxContextTokens: 9,
  maxQuestionTokens: 9,
  maxAnswerTokens: 9,
  maxQuestions: 9,
  reconstructionTokens: 0,
};
const facts = (idLimit: number): StoreFacts => ({
  created_by: "a test",
  model: "tiny",
  tokenizer: { hash: "0".repeat(64), id_limit: idLimit },
  prompt: { style: "plain", hash: "1".repeat(64) },
  limits,
  seed: 7,
  deduplicate: "question",
  inputs: [{ reader: "triples", path: "x.jsonl", read: 5, kept: 4, leftOut: { duplicate: 1 } }],
});

let made = 0;
async function write(examples: readonly PassageExample[], idLimit: number): Promise<string> {
  const path = join(folder, `store-${made++}`);
  await mkdir(path);
  await writeStoreFiles(path, idLimit, {
    examples,
    licenceOf: (source) => `licence of ${source}`,
    facts: () => facts(idLimit),
    leftOut: () => ({ "context-too-long": 3 }),
  });
  return path;
}

const ids = (idLimit: number, maxLength = 6): fc.Arbitrary<number[]> =>
  fc.array(fc.integer({ min: 0, max: idLimit - 1 }), { minLength: 1, maxLength });
const turn = (idLimit: number): fc.Arbitrary<ReadTurn> =>
  fc.record({
    kind: fc.constantFrom("question", "reconstruction"),
    questionIds: ids(idLimit),
    answerIds: ids(idLimit),
  });
const example = (idLimit: number): fc.Arbitrary<PassageExample> =>
  fc.record({
    id: fc.string({ unit: "grapheme" }),
    source: fc.constantFrom("a", "b", "ü"),
    contextIds: ids(idLimit, 20),
    turns: fc.array(turn(idLimit), { minLength: 1, maxLength: 4 }),
  });
const stores = fc
  .constantFrom(300, 2 ** 16, 2 ** 16 + 1, 2 ** 31)
  .chain((idLimit) =>
    fc.record({ idLimit: fc.constant(idLimit), examples: fc.array(example(idLimit), { minLength: 1, maxLength: 12 }) }),
  );

test("what is stored comes back, in any order, as the same set as in memory", async () => {
  await fc.assert(
    fc.asyncProperty(stores, async ({ idLimit, examples }) => {
      const store = await openTokenStore(await write(examples, idLimit));
      try {
        const inMemory = examplesInMemory(examples);
        const { count, lengths, readingLengths, hash } = inMemory;
        expect({ ...store }).toMatchObject({ count, lengths, readingLengths, hash });
        for (const index of [...examples.keys()].reverse()) {
          expect(await store.read(index)).toEqual(examples[index]);
          expect(store.nameOf(index)).toBe(examples[index]?.id);
        }
        expect(store.header.sources.reduce((sum, { turns }) => sum + turns, 0)).toBe(store.header.turns);
        expect(store.header.sources[0]?.licence).toBe(`licence of ${examples[0]?.source ?? ""}`);
        await expect(store.read(count)).rejects.toThrow(RangeError);
      } finally {
        await store.close();
      }
    }),
    { numRuns: 25 },
  );
});

/** A store of several blocks. */
async function large(): Promise<{ path: string; examples: PassageExample[] }> {
  const random = randomFromSeed(5);
  const some = (length: number): number[] => Array.from({ length }, () => random.integer(40_000));
  const examples = Array.from({ length: 60 }, (_, i): PassageExample => {
    const turns = [{ kind: "question" as const, questionIds: some(40), answerIds: some(20) }];
    return { id: `e${i}`, source: "s", contextIds: some(i === 30 ? 140_000 : 4000), turns };
  });
  return { path: await write(examples, 49_152), examples };
}

test("examples that lie across blocks come back; only the blocks asked for are read", async () => {
  const { path, examples } = await large();
  const file = join(path, "ids.bin");
  const bytes = await readFile(file);
  expect(bytes.length).toBeGreaterThan(2 * 2 ** 18);
  // The last byte is changed: all but the last block's examples can still be read.
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  await writeFile(file, bytes);
  const store = await openTokenStore(path);
  for (const index of [30, 0, 29, 5]) expect(await store.read(index)).toEqual(examples[index]);
  await expect(store.read(59)).rejects.toMatchObject({ code: "checksum-mismatch" });
  await expect(verifyStore(store)).rejects.toMatchObject({ code: "checksum-mismatch" });
  await store.close();
});

/** Opens and reads all of a damaged copy; it must fail with an error of ours, never with wrong examples. */
async function failure(path: string): Promise<string> {
  try {
    const store = await openTokenStore(path);
    try {
      await verifyStore(store);
    } finally {
      await store.close();
    }
  } catch (error) {
    if (isKvDistillError(error)) return error.code;
    throw error;
  }
  return "none";
}

const SMALL: PassageExample[] = ["one", "two", "three"].map((id, i) => ({
  id,
  source: i === 0 ? "a" : "b",
  contextIds: [5, 6, 7, i],
  turns: [
    { kind: "question", questionIds: [1, 2], answerIds: [3] },
    { kind: "reconstruction", questionIds: [9], answerIds: [5, 6] },
  ],
}));

async function copied(path: string): Promise<string> {
  const copy = join(folder, `copy-${made++}`);
  await cp(path, copy, { recursive: true });
  return copy;
}

test("a store that ends early anywhere, in any of its files, is refused", async () => {
  const path = await write(SMALL, 300);
  expect(await failure(path)).toBe("none");
  for (const name of ["store.json", "index.bin", "ids.bin"]) {
    const copy = await copied(path);
    const { length } = await readFile(join(copy, name));
    const step = name === "store.json" ? 37 : 1;
    // The header's last byte is the newline at its end.
    for (let size = length - 2; size >= 0; size -= step) {
      await truncate(join(copy, name), size);
      expect(["bad-file", "checksum-mismatch"]).toContain(await failure(copy));
    }
    await rm(join(copy, name));
    expect(await failure(copy)).toBe("not-found");
  }
});

test("a changed byte anywhere is noticed", async () => {
  const path = await write(SMALL, 300);
  for (const name of ["store.json", "index.bin", "ids.bin"]) {
    const copy = await copied(path);
    const bytes = await readFile(join(copy, name));
    for (let at = 0; at < bytes.length - 1; at += name === "store.json" ? 11 : 1) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 0x04;
      // Spaces between JSON's parts say nothing.
      if (name === "store.json" && (bytes[at] === 0x20 || bytes[at] === 0x0a)) continue;
      await writeFile(join(copy, name), changed);
      expect(await failure(copy)).not.toBe("none");
    }
  }
});

/** A copy whose header says something else, with a checksum that fits. */
async function claiming(path: string, change: (header: Record<string, unknown>) => void): Promise<string> {
  const copy = await copied(path);
  const file = join(copy, "store.json");
  const header = JSON.parse(await readFile(file, "utf8")) as Record<string, unknown>;
  delete header.checksum;
  change(header);
  const checksum = createHash("sha256").update(JSON.stringify(header)).digest("hex");
  await writeFile(file, JSON.stringify({ ...header, checksum }));
  return copy;
}

test("sizes that a hostile header claims are held against the files before anything is made", async () => {
  const path = await write(SMALL, 300);
  for (const field of ["examples", "turns", "tokens", "name_bytes"]) {
    for (const value of [0, 1, 2 ** 31, 2 ** 40, Number.MAX_SAFE_INTEGER, 2 ** 60, -1, 1.5, "3", null]) {
      expect(await failure(await claiming(path, (header) => (header[field] = value)))).toBe("bad-file");
    }
  }
  // Sizes that add up to the files' but not to each other: three examples and six turns are 102 bytes either way.
  const other = await claiming(path, (header) => {
    const turns = Number(header.turns);
    header.examples = Number(header.examples) + 9;
    header.turns = turns - 16;
  });
  expect(await failure(other)).toBe("bad-file");
  expect(await failure(await claiming(path, (header) => (header.id_bytes = 4)))).toBe("bad-file");
  expect(await failure(await claiming(path, (header) => (header.version = 2)))).toBe("unsupported");
  expect(await failure(await claiming(path, (header) => (header.unknown = 1)))).toBe("bad-file");
  expect(
    await failure(await claiming(path, (header) => (header.tokenizer = { hash: "0".repeat(64), id_limit: 8 }))),
  ).toBe("bad-file");
});

test("an index that fits its checksum and contradicts itself is refused with all faults", async () => {
  const path = await write(SMALL, 300);
  const index = await readFile(join(path, "index.bin"));
  const sums = createHash("sha256");
  // A context of no tokens, a source and a kind of turn that nobody has.
  index.writeUInt32LE(0, 0);
  index.writeUInt32LE(77, 4 * 3 * 2);
  index[4 * 3 * 4 + 8 * 6] = 9;
  const copy = await claiming(path, (header) => (header.index_sha256 = sums.update(index).digest("hex")));
  await writeFile(join(copy, "index.bin"), index);
  const error: unknown = await openTokenStore(copy).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: "bad-file",
    facts: { faults: [0, 1, 2, 3].map(() => expect.any(String) as string) },
  });
});

test("a store of nothing is not written", async () => {
  await expect(write([], 300)).rejects.toMatchObject({ code: "bad-argument" });
  const left = await readdir(join(folder, `store-${made - 1}`));
  expect(left).toEqual([]);
});

test("a store whose header would not be read again is not written", async () => {
  const turns: ReadTurn[] = [{ kind: "question", questionIds: [1], answerIds: [2] }];
  const one = (i: number): PassageExample => ({ id: `${i}`, source: `${i}`.repeat(60_000), contextIds: [1], turns });
  await expect(
    write(
      Array.from({ length: 200 }, (_, i) => one(i)),
      300,
    ),
  ).rejects.toMatchObject({ code: "too-large" });
});

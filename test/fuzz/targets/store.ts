import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { openTokenStore, verifyStore } from "../../../src/data/store/open-store.ts";
import { writeStoreFiles } from "../../../src/data/store/write-store.ts";
import { isJsonObject } from "../../../src/util/strict-json.ts";
import { mutateBytes } from "../make/bytes.ts";
import { damagedFiles, type Files, filesCase } from "../make/case.ts";
import { treeOf } from "../make/json-tree.ts";
import { mutateJson } from "../make/text.ts";
import { must, type Target } from "../target.ts";

const NAMES = ["store.json", "index.bin", "ids.bin"] as const;

/** A token store. Some headers and indexes get right checksums, so that what comes after them is reached. */
export const tokenStore: Target = {
  name: "token-store",
  share: 25,
  open: async (scratch) => {
    const files = await sampleStore(scratch);
    const header = treeOf(JSON.parse(Buffer.from(files["store.json"] ?? "").toString("utf8")));
    const make = (given: Files) => filesCase(scratch, given, check);
    return {
      make: (dice) => {
        const changed: Record<string, Uint8Array> = { ...files };
        const name = dice.pick(NAMES);
        changed[name] =
          name === "store.json" ? mutateJson(header, dice) : mutateBytes(files[name] ?? new Uint8Array(), dice);
        if (dice.chance(0.7))
          changed["store.json"] = summed(
            changed["store.json"] ?? new Uint8Array(),
            changed["index.bin"] ?? new Uint8Array(),
          );
        return make(changed);
      },
      edges: function* () {
        for (const name of NAMES) for (const damaged of damagedFiles(files, name)) yield make(damaged);
        for (const damaged of damagedFiles(files, "index.bin")) {
          yield make({
            ...damaged,
            "store.json": summed(files["store.json"] ?? new Uint8Array(), damaged["index.bin"] ?? new Uint8Array()),
          });
        }
      },
      close: () => Promise.resolve(),
    };
  },
};

async function check(folder: string): Promise<void> {
  const store = await openTokenStore(folder);
  try {
    must(
      store.lengths.length === store.count && store.readingLengths.length === store.count,
      "lengths of the examples",
    );
    await verifyStore(store);
    for (let i = 0; i < store.count; i++) {
      const { contextIds, turns } = await store.read(i);
      const questions = turns.reduce((sum, { questionIds }) => sum + questionIds.length, 0);
      must(
        contextIds.length > 0 && turns.length > 0 && contextIds.length + questions === store.lengths[i],
        `lengths of example ${i}`,
      );
    }
  } finally {
    await store.close();
  }
}

async function sampleStore(scratch: string): Promise<Files> {
  const folder = join(scratch, "sample");
  await mkdir(folder);
  const turn = (first: number) => ({ kind: "question" as const, questionIds: [first, 2], answerIds: [3] });
  const limit = {
    minContextTokens: 1,
    maxContextTokens: 9,
    maxQuestionTokens: 9,
    maxAnswerTokens: 9,
    maxQuestions: 9,
    reconstructionTokens: 0,
  };
  await writeStoreFiles(folder, 300, {
    examples: [
      { id: "a", source: "one", contextIds: [1, 2, 3], turns: [turn(4), { ...turn(5), kind: "reconstruction" }] },
      { id: "ü", source: "two", contextIds: [299], turns: [turn(6)] },
    ],
    licenceOf: () => "none",
    facts: () => ({
      created_by: "a test",
      model: "tiny",
      tokenizer: { hash: "0".repeat(64), id_limit: 300 },
      prompt: { style: "plain", hash: "1".repeat(64) },
      limits: limit,
      seed: 7,
      deduplicate: "question",
      inputs: [{ reader: "triples", path: "x.jsonl", read: 5, kept: 4, leftOut: { duplicate: 1 } }],
    }),
    leftOut: () => ({}),
  });
  const files = Object.fromEntries(
    await Promise.all(NAMES.map(async (name) => [name, await readFile(join(folder, name))] as const)),
  );
  return files;
}

/** The header with the checksums of its index and of itself, where it can be read at all (docs/formats/token-store.md). */
function summed(header: Uint8Array, index: Uint8Array): Uint8Array {
  try {
    const json: unknown = JSON.parse(Buffer.from(header).toString("utf8"));
    if (!isJsonObject(json)) return header;
    const { checksum, ...fields }: Record<string, unknown> = { ...json, index_sha256: sha256(index) };
    const own = checksum === undefined ? {} : { checksum: sha256(JSON.stringify(fields)) };
    return Buffer.from(JSON.stringify({ ...fields, ...own }));
  } catch {
    return header;
  }
}

function sha256(content: Uint8Array | string): string {
  return createHash("sha256").update(content).digest("hex");
}

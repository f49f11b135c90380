import { createHash } from "node:crypto";
import { open, stat, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { diskError } from "../../util/disk-error.ts";
import { KvDistillError } from "../../util/errors.ts";
import { pathExists } from "../../util/path-exists.ts";
import { readRange } from "../../util/read-range.ts";
import { withFile } from "../../util/with-file.ts";
import type { ExampleSet } from "../example-set.ts";
import type { PassageExample, ReadTurn } from "../examples.ts";
import { blockReader } from "./blocks.ts";
import { readHeader, STORE_FILES, type StoreHeader } from "./header.ts";
import { decodeIds } from "./id-bytes.ts";
import { decodeIndex, indexParts, type StoreIndex, TURN_KINDS } from "./index-file.ts";

/** A token store that is open: the index is in memory, ids are read example by example. */
export interface TokenStore extends ExampleSet {
  readonly path: string;
  readonly header: StoreHeader;
  readonly index: StoreIndex;
}

export function storeHeaderPath(store: string): string {
  return join(store, STORE_FILES.header);
}

/** Whether a path is the folder of a token store, well or damaged; data files and missing paths are none. */
export async function isTokenStore(path: string): Promise<boolean> {
  const facts = await stat(path).catch(() => undefined);
  return facts?.isDirectory() === true && (await pathExists(storeHeaderPath(path)));
}

/**
 * Opens a store, whole or not at all: header and index are checked, every size before anything of that size is made; a block of ids
 * is checked when one of its examples is first read, all of them by `verifyStore`.
 * @throws KvDistillError `not-found`, `disk`, `bad-file`, `too-large`, `unsupported` (another version), `checksum-mismatch`
 */
export async function openTokenStore(path: string): Promise<TokenStore> {
  const header = await readHeader(storeHeaderPath(path));
  const index = await readIndex(join(path, STORE_FILES.index), header);
  const idsPath = join(path, STORE_FILES.ids);
  const file = await openIds(idsPath, header);
  const blocks = blockReader(file, header.tokens * header.id_bytes, index.blockSums, idsPath);
  const { lengths, readingLengths, starts, firstTurns } = placesOf(index);

  function idLengths(example: number): number[] {
    const first = firstTurns[example] ?? 0;
    const turns = Array.from({ length: index.turnCounts[example] ?? 0 }, (_, i) => first + i);
    const ofTurn = (turn: number): number[] => [index.questionLengths[turn] ?? 0, index.answerLengths[turn] ?? 0];
    return [index.contextLengths[example] ?? 0, ...turns.flatMap(ofTurn)];
  }

  async function read(example: number): Promise<PassageExample> {
    const start = starts[example];
    const id = index.names[example];
    if (start === undefined || id === undefined) throw new RangeError(`no example ${example} in ${path}`);
    const parts = idLengths(example);
    const size = parts.reduce((sum, length) => sum + length, 0);
    const bytes = await blocks.read(start * header.id_bytes, size * header.id_bytes);
    const ids = decodeIds(bytes, header.id_bytes, header.tokenizer.id_limit, idsPath);
    let at = 0;
    const take = (): number[] => ids.slice(at, (at += parts.shift() ?? 0));
    const contextIds = take();
    const first = firstTurns[example] ?? 0;
    const turns = Array.from({ length: index.turnCounts[example] ?? 0 }, (_, i): ReadTurn => {
      const kind = TURN_KINDS[index.kinds[first + i] ?? 0] ?? "question";
      return { kind, questionIds: take(), answerIds: take() };
    });
    const source = header.sources[index.sources[example] ?? 0]?.name ?? "";
    return { id, source, contextIds, turns };
  }

  return {
    path,
    header,
    index,
    count: header.examples,
    lengths,
    readingLengths,
    hash: header.examples_sha256,
    nameOf: (example) => index.names[example] ?? "",
    read,
    close: () => file.close(),
  };
}

/**
 * Reads every example once.
 * @throws KvDistillError as `TokenStore.read`
 */
export async function verifyStore(store: TokenStore): Promise<void> {
  for (let example = 0; example < store.count; example++) await store.read(example);
}

async function readIndex(path: string, header: StoreHeader): Promise<StoreIndex> {
  const expected = indexParts(header).reduce((sum, length) => sum + length, 0);
  const bytes = await withFile(path, (file, size) => {
    checkSize(size, expected, path);
    return readRange(file, 0, size, path);
  });
  if (createHash("sha256").update(bytes).digest("hex") !== header.index_sha256) {
    throw new KvDistillError("checksum-mismatch", "the index of the token store was changed", {
      where: path,
      hint: "prepare the store again",
    });
  }
  return decodeIndex(bytes, header, path);
}

async function openIds(path: string, header: StoreHeader): Promise<FileHandle> {
  const file = await open(path, "r").catch((error: unknown) => {
    throw diskError(error, path, "cannot open the ids");
  });
  try {
    const { size } = await file.stat();
    checkSize(size, header.tokens * header.id_bytes, path);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

function checkSize(size: number, expected: number, where: string): void {
  if (size === expected) return;
  throw new KvDistillError("bad-file", "the file has another size than the header of the token store says", {
    where,
    expected: `${expected} bytes`,
    got: String(size),
    hint: "copy or prepare the store again",
  });
}

/** What follows from the lengths: where every example begins, in ids and in turns. */
function placesOf(index: StoreIndex): {
  readonly lengths: number[];
  readonly readingLengths: number[];
  readonly starts: Float64Array;
  readonly firstTurns: Uint32Array;
} {
  const count = index.contextLengths.length;
  const [lengths, readingLengths] = [new Array<number>(count), new Array<number>(count)];
  const starts = new Float64Array(count);
  const firstTurns = new Uint32Array(count);
  let [at, turn] = [0, 0];
  for (let example = 0; example < count; example++) {
    const context = index.contextLengths[example] ?? 0;
    starts[example] = at;
    firstTurns[example] = turn;
    let [questions, longest] = [0, 0];
    at += context;
    for (let left = index.turnCounts[example] ?? 0; left > 0; left--, turn++) {
      const question = index.questionLengths[turn] ?? 0;
      const answer = index.answerLengths[turn] ?? 0;
      questions += question;
      longest = Math.max(longest, question + answer);
      at += question + answer;
    }
    lengths[example] = context + questions;
    readingLengths[example] = context + longest;
  }
  return { lengths, readingLengths, starts, firstTurns };
}

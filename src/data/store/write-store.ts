import { createHash } from "node:crypto";
import { join } from "node:path";
import { writeFileAtomic } from "../../util/atomic-file.ts";
import { KvDistillError } from "../../util/errors.ts";
import { startExamplesHash } from "../example-set.ts";
import type { PassageExample } from "../examples.ts";
import { BLOCK_BYTES, blockSum } from "./blocks.ts";
import { GrowingColumn } from "./growing-column.ts";
import { encodeHeader, STORE_FILES, type StoreFacts, type StoreHeader } from "./header.ts";
import { encodeIds, idBytesFor } from "./id-bytes.ts";
import { encodeIndex, TURN_KINDS } from "./index-file.ts";

export interface StoreContents {
  readonly examples: AsyncIterable<PassageExample> | Iterable<PassageExample>;
  /** The licence of a data set that examples name as their source. */
  readonly licenceOf: (source: string) => string;
  /** Asked when all examples were taken. */
  readonly facts: () => StoreFacts;
  /** Asked at the same time. */
  readonly leftOut: () => Readonly<Record<string, number>>;
}

/**
 * Writes the three files of a store into a folder that nobody reads yet (`writeFolderAtomic` makes it the store). Memory holds the
 * index, about 20 bytes for an example and 9 for a turn besides its name, never the ids.
 * @throws KvDistillError `bad-argument` when there is no example, `disk`, and what `examples` throws
 */
export async function writeStoreFiles(
  folder: string,
  idLimit: number,
  { examples, licenceOf, facts, leftOut }: StoreContents,
): Promise<StoreHeader> {
  const idBytes = idBytesFor(idLimit);
  const columns = {
    contexts: new GrowingColumn(),
    turns: new GrowingColumn(),
    sources: new GrowingColumn(),
    questions: new GrowingColumn(),
    answers: new GrowingColumn(),
    kinds: new GrowingColumn(),
  };
  const names: string[] = [];
  const sources = new Map<string, { number: number; examples: number; turns: number; tokens: number }>();
  const hash = startExamplesHash();
  const sums: Buffer[] = [];
  let tokens = 0;

  function note(example: PassageExample): void {
    const { id, source, contextIds, turns } = example;
    const own = sources.get(source) ?? { number: sources.size, examples: 0, turns: 0, tokens: 0 };
    sources.set(source, own);
    columns.contexts.push(contextIds.length);
    columns.turns.push(turns.length);
    columns.sources.push(own.number);
    names.push(id);
    let size = contextIds.length;
    for (const { kind, questionIds, answerIds } of turns) {
      columns.questions.push(questionIds.length);
      columns.answers.push(answerIds.length);
      columns.kinds.push(TURN_KINDS.indexOf(kind));
      size += questionIds.length + answerIds.length;
    }
    own.examples++;
    own.turns += turns.length;
    own.tokens += size;
    tokens += size;
    hash.add(example);
  }

  async function* idBlocks(): AsyncGenerator<Uint8Array> {
    let waiting: Buffer[] = [];
    let length = 0;
    const block = (bytes: Buffer): Buffer => {
      sums.push(blockSum(bytes));
      return bytes;
    };
    for await (const example of examples) {
      note(example);
      const { contextIds, turns } = example;
      const ids = [contextIds, ...turns.flatMap(({ questionIds, answerIds }) => [questionIds, answerIds])].flat();
      waiting.push(encodeIds(ids, idBytes));
      length += ids.length * idBytes;
      if (length < BLOCK_BYTES) continue;
      let bytes = Buffer.concat(waiting);
      for (; bytes.length >= BLOCK_BYTES; bytes = bytes.subarray(BLOCK_BYTES))
        yield block(bytes.subarray(0, BLOCK_BYTES));
      waiting = [bytes];
      length = bytes.length;
    }
    if (names.length === 0) throw new KvDistillError("bad-argument", "nothing is left to store: there is no example");
    if (length > 0) yield block(Buffer.concat(waiting));
  }

  await writeFileAtomic(join(folder, STORE_FILES.ids), idBlocks());
  const index = encodeIndex({
    contextLengths: columns.contexts.toArray(),
    turnCounts: columns.turns.toArray(),
    sources: columns.sources.toArray(),
    names,
    questionLengths: columns.questions.toArray(),
    answerLengths: columns.answers.toArray(),
    kinds: Uint8Array.from(columns.kinds.toArray()),
    blockSums: Buffer.concat(sums),
  });
  await writeFileAtomic(join(folder, STORE_FILES.index), index);
  const header = {
    ...facts(),
    left_out: leftOut(),
    sources: [...sources].map(([name, { examples: own, turns, tokens: ownTokens }]) => ({
      name,
      licence: licenceOf(name),
      examples: own,
      turns,
      tokens: ownTokens,
    })),
    examples: names.length,
    turns: columns.kinds.length,
    tokens,
    id_bytes: idBytes,
    name_bytes: names.reduce((sum, name) => sum + Buffer.byteLength(name), 0),
    index_sha256: createHash("sha256").update(index).digest("hex"),
    examples_sha256: hash.end(),
  };
  await writeFileAtomic(join(folder, STORE_FILES.header), encodeHeader(header));
  return { format: "kv-distill token store", version: 1, ...header };
}

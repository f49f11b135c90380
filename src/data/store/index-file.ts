import { KvDistillError } from "../../util/errors.ts";
import { decodeUtf8 } from "../../util/utf8.ts";
import { BLOCK_SUM_BYTES, blockCount } from "./blocks.ts";
import type { StoreHeader } from "./header.ts";

/** Kinds of turns, in the order of their numbers. */
export const TURN_KINDS = ["question", "reconstruction"] as const;

/**
 * What is known of every example without its ids. Examples and their turns lie one after another in the ids' file, in this order, without
 * gaps: lengths say where, so that no offset can point astray.
 */
export interface StoreIndex {
  /** Of each example. */
  readonly contextLengths: Uint32Array;
  readonly turnCounts: Uint32Array;
  readonly sources: Uint32Array;
  readonly names: readonly string[];
  /** Of each turn, those of the first example first. */
  readonly questionLengths: Uint32Array;
  readonly answerLengths: Uint32Array;
  readonly kinds: Uint8Array;
  /** Checksums of the ids' blocks. */
  readonly blockSums: Uint8Array;
}

type IndexSizes = Pick<StoreHeader, "examples" | "turns" | "tokens" | "id_bytes" | "name_bytes">;

/**
 * Bytes of the parts of `index.bin`, in their order; all numbers are little-endian uint32 but kinds, which are bytes.
 * A size of a hostile header may be anything up to 2^53: the sum is exact as long as it is below that, and larger ones equal no file.
 */
export function indexParts({ examples, turns, tokens, id_bytes, name_bytes }: IndexSizes): number[] {
  const perExample = [4, 4, 4, 4].map((bytes) => bytes * examples);
  const perTurn = [4, 4, 1].map((bytes) => bytes * turns);
  return [...perExample, ...perTurn, name_bytes, BLOCK_SUM_BYTES * blockCount(tokens * id_bytes)];
}

/** The index as bytes. */
export function encodeIndex(index: StoreIndex): Buffer {
  const names = index.names.map((name) => Buffer.from(name));
  const nameLengths = Uint32Array.from(names, (name) => name.length);
  return Buffer.concat([
    littleEndian(index.contextLengths),
    littleEndian(index.turnCounts),
    littleEndian(index.sources),
    littleEndian(nameLengths),
    littleEndian(index.questionLengths),
    littleEndian(index.answerLengths),
    index.kinds,
    ...names,
    index.blockSums,
  ]);
}

/**
 * An index of the size that its header declares.
 * @throws KvDistillError `bad-file`, all that contradicts the header at once.
 */
export function decodeIndex(bytes: Uint8Array, header: StoreHeader, where: string): StoreIndex {
  let start = 0;
  const parts = indexParts(header).map((length) => bytes.subarray(start, (start += length)));
  const [contexts, turns, sources, nameLengths, questions, answers, kinds, names, sums] = parts as Nine;
  const index = {
    contextLengths: numbers(contexts),
    turnCounts: numbers(turns),
    sources: numbers(sources),
    names: cutNames(names, numbers(nameLengths), where),
    questionLengths: numbers(questions),
    answerLengths: numbers(answers),
    kinds,
    blockSums: sums,
  };
  const faults = indexFaults(index, header);
  if (faults.length === 0) return index;
  throw new KvDistillError("bad-file", "the index of the token store contradicts its header", { where, faults });
}

type Bytes = Uint8Array;
type Nine = [Bytes, Bytes, Bytes, Bytes, Bytes, Bytes, Bytes, Bytes, Bytes];

function indexFaults(index: StoreIndex, header: StoreHeader): string[] {
  const { contextLengths, turnCounts, questionLengths, answerLengths } = index;
  const faults: string[] = [];
  const tokens = total(contextLengths) + total(questionLengths) + total(answerLengths);
  if (tokens !== header.tokens) faults.push(`${tokens} ids in all, the header says ${header.tokens}`);
  const turns = total(turnCounts);
  if (turns !== header.turns) faults.push(`${turns} turns in all, the header says ${header.turns}`);
  const parts = [contextLengths, turnCounts, questionLengths, answerLengths];
  if (parts.some((lengths) => lengths.includes(0)))
    faults.push("a context, question, answer or list of turns is empty");
  if (index.sources.some((source) => source >= header.sources.length)) faults.push("a source that the header lacks");
  if (index.kinds.some((kind) => kind >= TURN_KINDS.length)) faults.push("a kind of turn that nobody knows");
  return faults;
}

function cutNames(bytes: Uint8Array, lengths: Uint32Array, where: string): string[] {
  if (total(lengths) !== bytes.length) {
    throw new KvDistillError("bad-file", "the names of the examples have another length", {
      where,
      expected: `${bytes.length} bytes`,
      got: String(total(lengths)),
    });
  }
  let start = 0;
  return Array.from(lengths, (length) => decodeUtf8(bytes.subarray(start, (start += length)), where));
}

function total(lengths: Uint32Array): number {
  let sum = 0;
  for (const length of lengths) sum += length;
  return sum;
}

function numbers(bytes: Uint8Array): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Uint32Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i, true));
}

function littleEndian(values: Uint32Array): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => bytes.writeUInt32LE(value, 4 * i));
  return bytes;
}

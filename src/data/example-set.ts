import { createHash, type Hash } from "node:crypto";
import type { PassageExample } from "./examples.ts";

/** Examples by number, in memory or on disk. */
export interface ExampleSet {
  readonly count: number;
  /** Tokens of context and questions of each example: batches are sorted by them. */
  readonly lengths: readonly number[];
  /** Tokens of each example's context with its longest question and answer. */
  readonly readingLengths: readonly number[];
  /** sha256 over all examples, by which a resumed run knows its data again. */
  readonly hash: string;
  /** Id of the passage, for messages. */
  nameOf(index: number): string;
  /** @throws KvDistillError `checksum-mismatch`, `bad-file`, `disk` when the examples lie on disk */
  read(index: number): Promise<PassageExample>;
  close(): Promise<void>;
}

/** Examples that are in memory already. */
export function examplesInMemory(examples: readonly PassageExample[]): ExampleSet {
  const hash = startExamplesHash();
  for (const example of examples) hash.add(example);
  return {
    count: examples.length,
    lengths: examples.map((example) => lengthsOf(example).batching),
    readingLengths: examples.map((example) => lengthsOf(example).reading),
    hash: hash.end(),
    nameOf: (index) => examples[index]?.id ?? "",
    read: (index) => {
      const example = examples[index];
      return example === undefined ? Promise.reject(new RangeError(`no example ${index}`)) : Promise.resolve(example);
    },
    close: () => Promise.resolve(),
  };
}

function lengthsOf({ contextIds, turns }: PassageExample): { readonly batching: number; readonly reading: number } {
  return {
    batching: contextIds.length + turns.reduce((sum, turn) => sum + turn.questionIds.length, 0),
    reading: contextIds.length + Math.max(...turns.map((turn) => turn.questionIds.length + turn.answerIds.length)),
  };
}

/** The hash of a set, example by example. */
export function startExamplesHash(): { add(example: PassageExample): void; end(): string } {
  const hash: Hash = createHash("sha256");
  return {
    add: ({ id, contextIds, turns }) => {
      const plain = turns.map(({ kind, questionIds, answerIds }) => ({ kind, questionIds, answerIds }));
      hash.update(JSON.stringify([id, contextIds, plain]));
    },
    end: () => hash.digest("hex"),
  };
}

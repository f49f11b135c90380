import { groupQueryAttention } from "../../../src/graph/build.ts";
import type { Dim } from "../../../src/graph/dims.ts";
import { data, given, type Operand, opCase, type OpCase } from "./case.ts";

interface Sizes {
  readonly batch: Dim;
  readonly tokens: Dim;
  readonly numHeads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Of every sequence its last key. */
  readonly last: readonly number[];
  readonly symbols?: Readonly<Record<string, number>>;
}

/** Attention over `P` rows of a past, of which `last` says how many count. */
function attentionCase(title: string, { batch, tokens, numHeads, kvHeads, headDim, last, symbols }: Sizes): OpCase {
  const past: Operand = data(batch, kvHeads, "P", headDim);
  const own: Operand = data(batch, tokens, kvHeads * headDim);
  return opCase(
    title,
    [
      data(batch, tokens, numHeads * headDim),
      own,
      own,
      past,
      past,
      given("int32", [batch], last),
      given("int32", [1], [Math.max(...last) + 1]),
    ],
    (queries, keys, values, pastKeys, pastValues, lastKeys, total) =>
      groupQueryAttention(
        { queries, keys, values, pastKeys, pastValues, last: lastKeys, total },
        { numHeads, kvHeads },
      ),
    symbols,
  );
}

export const attentionCases = {
  GroupQueryAttention: [
    attentionCase("a past that is full", { batch: 1, tokens: "T", numHeads: 4, kvHeads: 2, headDim: 8, last: [4] }),
    attentionCase("reserved rows behind the past", {
      batch: 1,
      tokens: "T",
      numHeads: 6,
      kvHeads: 2,
      headDim: 8,
      last: [6],
      symbols: { P: 9 },
    }),
    attentionCase("no past, rows reserved", {
      batch: 1,
      tokens: "T",
      numHeads: 3,
      kvHeads: 1,
      headDim: 16,
      last: [2],
    }),
    attentionCase("no past at all, several sequences", {
      batch: "B",
      tokens: "T",
      numHeads: 4,
      kvHeads: 2,
      headDim: 8,
      last: [2, 2],
      symbols: { P: 0 },
    }),
    attentionCase("a head of keys for every head of queries", {
      batch: 1,
      tokens: "T",
      numHeads: 2,
      kvHeads: 2,
      headDim: 8,
      last: [3],
    }),
    attentionCase("one token, a past of another length in each sequence", {
      batch: "B",
      tokens: 1,
      numHeads: 4,
      kvHeads: 2,
      headDim: 8,
      last: [5, 2],
      symbols: { P: 7 },
    }),
    attentionCase("more tokens than a block of scores has", {
      batch: 1,
      tokens: "T",
      numHeads: 2,
      kvHeads: 1,
      headDim: 8,
      last: [399],
      symbols: { T: 300, P: 128 },
    }),
  ],
} as const satisfies Record<string, readonly OpCase[]>;

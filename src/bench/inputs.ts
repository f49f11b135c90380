import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { contextTokens } from "../compress/compress-text.ts";
import { placeText } from "../data/passage.ts";
import { readTokenTriples } from "../data/read-token-triples.ts";
import type { ModelFiles } from "../models/model-files.ts";
import { KvDistillError } from "../util/errors.ts";
import { randomFromSeed } from "../util/random.ts";
import type { Triple } from "./sides/protocol.ts";

const TEXT = fileURLToPath(new URL("../../examples/galapagos.txt", import.meta.url));

/** Tokens of the text that comes with the package, from its beginning, again and again. */
export interface EndlessText {
  take(tokens: number, start?: number): number[];
}

export async function exampleText(files: ModelFiles): Promise<EndlessText> {
  const { ids } = contextTokens(files, await readFile(TEXT, "utf8"), false);
  return {
    take: (tokens, start = 0) => Array.from({ length: tokens }, (_, i) => ids[(start + i) % ids.length] ?? 0),
  };
}

/** Lengths of made examples: contexts of 150 to 210 tokens, as passages of SQuAD have them; about 230 tokens in all. */
const CONTEXT = { least: 150, most: 210 };
const QUESTION = 26;
const ANSWER = 24;

/** Examples cut out of the text at seeded places: the same on every machine. */
export function madeTriples(text: EndlessText, count: number): Triple[] {
  const random = randomFromSeed(0);
  const cut = (tokens: number): number[] => text.take(tokens, random.integer(1 << 20));
  return Array.from({ length: count }, () => ({
    context_ids: cut(CONTEXT.least + random.integer(CONTEXT.most - CONTEXT.least + 1)),
    question_ids: cut(QUESTION),
    answer_ids: cut(ANSWER),
  }));
}

/**
 * The first `count` examples of a file of token ids, from the beginning again when it has fewer.
 * @throws KvDistillError `bad-file` with the malformed rows, `bad-argument` for a file without any, and as `readTokenTriples`
 */
export async function readTriples(path: string, count: number): Promise<Triple[]> {
  const faults: string[] = [];
  const found: Triple[] = [];
  for await (const { contextIds, turns } of readTokenTriples(path, (fault) =>
    faults.push(`${placeText(fault)}: ${fault.fault}`),
  )) {
    const [turn] = turns;
    if (turn === undefined) continue;
    found.push({ context_ids: contextIds, question_ids: turn.questionIds, answer_ids: turn.answerIds });
    if (found.length === count) break;
  }
  if (faults.length > 0)
    throw new KvDistillError("bad-file", "not token triples", { where: path, faults: faults.slice(0, 10) });
  if (found.length === 0) throw new KvDistillError("bad-argument", "there is nothing to train on", { where: path });
  return Array.from({ length: count }, (_, i) => found[i % found.length]).flatMap((triple) => triple ?? []);
}

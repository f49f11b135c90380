import { readLines } from "../../data/read-lines.ts";
import { KvDistillError } from "../../util/errors.ts";
import type { TokenMarks, TokenText } from "../../util/html/marked-text.ts";
import { conditionName } from "../run/conditions.ts";
import { type KeptLine, parseKeptLine, type PassageLine } from "../run/kept-file.ts";

/** What a condition kept of a passage. */
export interface Kept extends TokenMarks {
  readonly bytes: number;
  /** The question that the method saw, by its place in the run; undefined for methods that saw none. */
  readonly sample: number | undefined;
}

export interface KeptPassage {
  readonly text: TokenText;
  /** By condition name, in the order of the file. */
  readonly kept: ReadonlyMap<string, readonly Kept[]>;
}

export interface KeptTokensOfRun {
  /** Bytes of a condition's cache, mean over passages, by condition name. */
  readonly bytes: ReadonlyMap<string, number>;
  /** The wanted passages. */
  readonly passages: ReadonlyMap<number, KeptPassage>;
}

/**
 * Reads a kept.jsonl, holding no more than the wanted passages.
 * @param wanted places of passages in the run
 * @throws KvDistillError `bad-file` naming the line; `disk`
 */
export async function readKept(path: string, wanted: ReadonlySet<number>): Promise<KeptTokensOfRun> {
  const sums = new Map<string, { bytes: number; count: number }>();
  const passages = new Map<number, { text: TokenText; kept: Map<string, Kept[]> }>();
  for await (const read of readLines(path)) {
    const where = `${path}:${read.line}`;
    if ("fault" in read) throw new KvDistillError("bad-file", read.fault, { where });
    const line = parseKeptLine(read.text, where);
    if (!("method" in line)) {
      if (wanted.has(line.passage)) passages.set(line.passage, { text: tokenText(line, where), kept: new Map() });
      continue;
    }
    const name = conditionName({ method: line.method, keep: line.keep ?? undefined });
    const sum = sums.get(name) ?? { bytes: 0, count: 0 };
    sums.set(name, { bytes: sum.bytes + line.bytes, count: sum.count + 1 });
    if (!wanted.has(line.passage)) continue;
    const passage = passages.get(line.passage);
    if (passage === undefined) throw new KvDistillError("bad-file", "the passage's text is not there", { where });
    const kept = passage.kept.get(name) ?? [];
    kept.push(keptOf(line, passage.text.spans.length, where));
    passage.kept.set(name, kept);
  }
  return { bytes: new Map([...sums].map(([name, { bytes, count }]) => [name, bytes / count])), passages };
}

function tokenText({ text, lengths }: PassageLine, where: string): TokenText {
  let end = 0;
  const spans = lengths.map((length) => {
    const start = end;
    end += length;
    return { start, end };
  });
  if (end === text.length) return { text, spans };
  throw new KvDistillError("bad-file", "the tokens are not those of the text", {
    where,
    expected: `${text.length} units`,
    got: String(end),
  });
}

function keptOf({ bytes, heads, holders, scores, sample }: KeptLine, tokens: number, where: string): Kept {
  const own = holders ?? Array<number>(tokens).fill(heads);
  const held = [...own.keys()].filter((token) => (own[token] ?? 0) > 0);
  const faults = [
    ...(own.length === tokens ? [] : [`holders: expected ${tokens}, got ${own.length}`]),
    ...(scores === null || scores.length === held.length
      ? []
      : [`scores: expected ${held.length}, got ${scores.length}`]),
    ...(own.every((count) => count <= heads) ? [] : [`holders: a token has more than ${heads}`]),
  ];
  if (faults.length > 0)
    throw new KvDistillError("bad-file", "kept tokens do not fit their passage", { where, faults });
  if (scores === null) return { bytes, heads, holders: own, scores: undefined, sample };
  const byToken = new Float64Array(tokens).fill(-Infinity);
  held.forEach((token, i) => (byToken[token] = scores[i] ?? Infinity));
  return { bytes, heads, holders: own, scores: byToken, sample };
}

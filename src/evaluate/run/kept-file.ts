import { z } from "zod";
import { boundedList } from "../../util/bounded-list.ts";
import { countKept } from "../../compress/kept-tokens.ts";
import type { CompressedRows } from "../../compress/method.ts";
import type { TokenSpans } from "../../models/tokenizer.ts";
import { KvDistillError } from "../../util/errors.ts";
import { faultList } from "../../util/fault-list.ts";
import { openLineFile } from "../../util/line-file.ts";
import { type Condition, conditionName } from "./conditions.ts";

export const KEPT_FILE = "kept.jsonl";

const count = z.int().min(0);

/** A passage as the model reads it. */
export const passageLineSchema = z.strictObject({
  /** Place of the passage in the run, from 0. */
  passage: count,
  /** The template's header and the document. */
  text: z.string(),
  /** UTF-16 units that each token adds to the text; 0 for one that shares the character of the token before it. */
  lengths: boundedList(count),
});

/** What one condition kept of one passage. */
export const keptLineSchema = z.strictObject({
  passage: count,
  method: z.string(),
  keep: z.number().nullable(),
  /** The question that the method saw, by its place in the run; absent for methods that see none. */
  sample: count.optional(),
  /** Of the keys and values of the cache that was read, as measured, float32. */
  bytes: count,
  /** Layers · kv heads, or 1 when all of them keep the same tokens. */
  heads: z.int().min(1),
  /** For every token how many of the heads keep it; null when all do. */
  holders: boundedList(count).nullable(),
  /** For every token with holders the highest score that it was kept for, four digits; null where it has none. */
  scores: boundedList(z.number().nullable()).nullable(),
});
export type PassageLine = Readonly<z.infer<typeof passageLineSchema>>;
export type KeptLine = Readonly<z.infer<typeof keptLineSchema>>;

/** A file of what was kept, once for every passage and condition, that grows while a run goes on. */
export interface KeptFile {
  /** Writes what is not there yet and waits until it is on the disk. */
  append(passage: number, condition: Condition, kept: ConditionKept): Promise<void>;
  /** The same for lines that another file holds. @throws KvDistillError `bad-file` for other lines */
  appendLines(lines: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** Rows as a method gives them; without positions everything is kept. */
export type KeptRows = Pick<CompressedRows, "layers"> & Partial<CompressedRows>;

export interface ConditionKept extends KeptRows {
  /** The question that the method saw. */
  readonly sample?: number | undefined;
  readonly text: () => TokenSpans;
}

/**
 * Opens the file, or makes it; a line that was cut off by a crash is taken off. A passage's text is written with the first
 * condition that reads it.
 * @throws KvDistillError `bad-file` naming a malformed line; `disk`, also by `append`
 */
export async function openKeptFile(path: string): Promise<KeptFile> {
  const file = await openLineFile(path);
  const lines = file.text.split("\n").slice(0, -1);
  const there = new Set(lines.map((line, i) => keyOf(parseKeptLine(line, `${path}:${i + 1}`))));
  return {
    append: async (passage, condition, kept) => {
      if (there.has(keptKey(passage, condition, kept.sample))) return;
      const text = kept.text();
      const lines = [passageLine(passage, text), keptLine(passage, condition, kept, text.spans.length)];
      const missing = lines.filter((line) => !there.has(keyOf(line)));
      await file.append(missing.map((line) => JSON.stringify(line)));
      for (const line of missing) there.add(keyOf(line));
    },
    appendLines: async (lines) => {
      const missing = lines.filter((line, i) => {
        const key = keyOf(parseKeptLine(line, `line ${i + 1} of what was kept`));
        if (there.has(key)) return false;
        there.add(key);
        return true;
      });
      await file.append(missing);
    },
    close: file.close,
  };
}

/**
 * A line of the file.
 * @throws KvDistillError `bad-file`
 */
export function parseKeptLine(line: string, where: string): PassageLine | KeptLine {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch (cause) {
    throw new KvDistillError("bad-file", "the line is not JSON", { where, cause });
  }
  const schema = typeof json === "object" && json !== null && "method" in json ? keptLineSchema : passageLineSchema;
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const faults = result.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
  throw new KvDistillError("bad-file", "not a line of kept tokens", { where, faults: faultList(faults) });
}

/** Each line has one of these. */
function keyOf(line: PassageLine | KeptLine): string {
  if (!("method" in line)) return String(line.passage);
  const condition = { method: line.method, keep: line.keep ?? undefined };
  return keptKey(line.passage, condition, line.sample);
}

function keptKey(passage: number, condition: Condition, sample: number | undefined): string {
  return `${passage} ${sample ?? ""} ${conditionName(condition)}`;
}

function passageLine(passage: number, { text, spans }: TokenSpans): PassageLine {
  let end = 0;
  const lengths = spans.map((span) => {
    const added = Math.max(0, span.end - end);
    end += added;
    return added;
  });
  return { passage, text, lengths };
}

function keptLine(
  passage: number,
  { method, keep = null }: { readonly method: string; readonly keep?: number | null | undefined },
  { layers, positions, scores, sample }: ConditionKept,
  tokens: number,
): KeptLine {
  const bytes = layers.reduce((sum, { keys, values }) => sum + keys.byteLength + values.byteLength, 0);
  const start = { passage, method, keep, ...(sample === undefined ? {} : { sample }), bytes };
  if (positions === undefined) return { ...start, heads: 1, holders: null, scores: null };
  const kept = countKept(positions, scores, tokens);
  const held = [...kept.holders.keys()].filter((token) => (kept.holders[token] ?? 0) > 0);
  return {
    ...start,
    heads: kept.heads,
    holders: [...kept.holders],
    scores: kept.scores === undefined ? null : held.map((token) => shortScore(kept.scores?.[token] ?? NaN)),
  };
}

function shortScore(score: number): number | null {
  return Number.isFinite(score) ? Number(score.toPrecision(4)) : null;
}

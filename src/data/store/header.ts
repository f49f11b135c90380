import { createHash } from "node:crypto";
import { z } from "zod";
import { boundedList } from "../../util/bounded-list.ts";
import { QUESTION_STYLES, type QuestionStyle } from "../../models/passage-prompt.ts";
import { KvDistillError } from "../../util/errors.ts";
import { quote } from "../../util/quote.ts";
import { readTextFile } from "../../util/read-text.ts";
import { isJsonObject, parseStrictJson } from "../../util/strict-json.ts";

/** Files of a token store's folder (docs/formats/token-store.md). */
export const STORE_FILES = { header: "store.json", index: "index.bin", ids: "ids.bin", chart: "lengths.svg" } as const;

const FORMAT = "kv-distill token store";
const VERSION = 1;
const MAX_HEADER_BYTES = 16 * 2 ** 20;

const count = z.int().nonnegative();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "expected a sha256 in hexadecimal digits");
const counts = z.record(z.string(), count);

const inputSchema = z.strictObject({
  /** Name of the reader: `squad`, `triples`. */
  reader: z.string(),
  path: z.string(),
  weight: z.number().positive().optional(),
  /** Rows that the reader gave, and those that went on to be tokenised. */
  read: count,
  kept: count,
  /** What was left out in between and before, by reason. */
  leftOut: counts,
});

const sourceSchema = z.strictObject({
  name: z.string(),
  licence: z.string(),
  examples: count,
  turns: count,
  tokens: count,
});

const headerSchema = z.strictObject({
  format: z.literal(FORMAT),
  version: z.literal(VERSION),
  created_by: z.string(),
  /** Of the model whose tokenizer it was; other models with the same tokenizer and template may use the store. */
  model: z.string(),
  tokenizer: z.strictObject({
    hash: sha256,
    id_limit: z
      .int()
      .min(1)
      .max(2 ** 31),
  }),
  prompt: z.strictObject({ style: z.enum(Object.keys(QUESTION_STYLES) as [QuestionStyle]), hash: sha256 }),
  limits: z.strictObject({
    minContextTokens: z.int().min(1),
    maxContextTokens: z.int().min(1),
    maxQuestionTokens: z.int().min(1),
    maxAnswerTokens: z.int().min(1),
    maxQuestions: z.int().min(1),
    reconstructionTokens: count,
  }),
  seed: count,
  max_rows: z.int().min(1).optional(),
  deduplicate: z.string(),
  decontaminate: z
    .strictObject({ files: boundedList(z.string()), words: z.int().min(1), threshold: z.int().min(1) })
    .optional(),
  inputs: boundedList(inputSchema),
  /** Passages and questions that were left out while they were tokenised, by reason. */
  left_out: counts,
  /** Data sets, in the order of the index's numbers. */
  sources: boundedList(sourceSchema, { least: 1 }),
  examples: z.int().min(1),
  turns: z.int().min(1),
  /** Ids in `ids.bin`, of this many bytes each. */
  tokens: z.int().min(1),
  id_bytes: z.union([z.literal(2), z.literal(4)]),
  /** UTF-8 bytes of the examples' names, together. */
  name_bytes: count,
  index_sha256: sha256,
  /** sha256 over the examples, as a training run knows its data again. */
  examples_sha256: sha256,
});

export type StoreHeader = z.infer<typeof headerSchema>;
/** What the maker of a store says of it; the rest the writer knows. */
export type StoreFacts = Omit<
  StoreHeader,
  | "format"
  | "version"
  | "left_out"
  | "sources"
  | "examples"
  | "turns"
  | "tokens"
  | "id_bytes"
  | "name_bytes"
  | "index_sha256"
  | "examples_sha256"
>;

/**
 * The header's file: readable JSON that ends with a sha256 over all that stands before it.
 * @throws KvDistillError `too-large` for one that would not be read again
 */
export function encodeHeader(header: Omit<StoreHeader, "format" | "version">): Buffer {
  const whole = headerSchema.parse({ format: FORMAT, version: VERSION, ...header });
  const bytes = Buffer.from(`${JSON.stringify({ ...whole, checksum: checksumOf(whole) }, null, 2)}\n`);
  if (bytes.length <= MAX_HEADER_BYTES) return bytes;
  throw new KvDistillError("too-large", "the store's header, which names every source, would not be read again", {
    expected: `at most ${MAX_HEADER_BYTES} bytes`,
    got: `${bytes.length} for ${header.sources.length} sources`,
    hint: "give rows of one data set one source, or make several stores",
  });
}

/**
 * @throws KvDistillError `not-found`, `disk`, `too-large`, `bad-file` for what is no header, `unsupported` for another version,
 * `checksum-mismatch` when a field was changed.
 */
export async function readHeader(path: string): Promise<StoreHeader> {
  const json = parseStrictJson(await readTextFile(path, MAX_HEADER_BYTES), path, { maxDepth: 6, maxKeys: 1_000_000 });
  if (!isJsonObject(json) || json.format !== FORMAT) {
    throw new KvDistillError("bad-file", "not a token store", { where: path, expected: `format ${FORMAT}` });
  }
  if (json.version !== VERSION) {
    throw new KvDistillError("unsupported", "a token store of another version", {
      where: path,
      expected: `version ${VERSION}`,
      got: json.version === undefined ? "none" : quote(JSON.stringify(json.version)),
      hint: "prepare it again",
    });
  }
  const { checksum, ...fields } = json;
  const parsed = headerSchema.safeParse(fields);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
    throw new KvDistillError("bad-file", "the header of the token store is wrong", { where: path, faults });
  }
  // Keys keep their order through JSON.parse, so that the text that was summed can be made again.
  if (checksum === checksumOf(fields)) return parsed.data;
  throw new KvDistillError("checksum-mismatch", "the header of the token store was changed", {
    where: path,
    hint: "prepare the store again",
  });
}

function checksumOf(fields: object): string {
  return createHash("sha256").update(JSON.stringify(fields)).digest("hex");
}

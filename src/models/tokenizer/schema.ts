import { z } from "zod";
import { boundedList } from "../../util/bounded-list.ts";

/** Ids over this are refused: they would make sparse arrays of absurd length. */
export const MAX_TOKEN_ID = 1 << 22;

const id = z.int().min(0).max(MAX_TOKEN_ID);

// Plain loops: a schema per entry takes seconds on 150,000 of them.
function isVocabulary(value: unknown): boolean {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((id) => Number.isInteger(id) && id >= 0 && id <= MAX_TOKEN_ID);
}

/** Either `"a b"` or `["a", "b"]` throughout. */
function isMergeList(value: unknown): boolean {
  if (!Array.isArray(value)) return false;
  if (typeof value[0] === "string") return value.every((merge) => typeof merge === "string" && merge.includes(" "));
  return value.every(
    (merge) => Array.isArray(merge) && merge.length === 2 && merge.every((part) => typeof part === "string"),
  );
}

/** UTF-16 units of an added token. Real ones have tens; JavaScript's engine refuses expressions with one of 80,000 (`text-parts.ts`). */
const LONGEST_ADDED_TOKEN = 1 << 13;

const addedToken = z.looseObject({
  id,
  content: z.string().min(1).max(LONGEST_ADDED_TOKEN),
  single_word: z.boolean().default(false),
  special: z.boolean().default(false),
});

const step = z.looseObject({ type: z.string() });

/** The parts of tokenizer.json that are read here; the rest is passed on as it is. */
export const tokenizerJsonSchema = z.looseObject({
  added_tokens: boundedList(addedToken).default([]),
  normalizer: step.nullish().transform((value) => value ?? null),
  pre_tokenizer: step.nullish().transform((value) => value ?? null),
  decoder: step.nullish().transform((value) => value ?? null),
  model: z.looseObject({
    type: z.string().nullish(),
    vocab: z.custom<Record<string, number>>(isVocabulary, "not a map from tokens to ids"),
    merges: z.custom<string[] | [string, string][]>(isMergeList, "not a list of merges"),
    unk_token: z.string().nullish(),
    byte_fallback: z.boolean().nullish(),
  }),
});
export type TokenizerJson = z.infer<typeof tokenizerJsonSchema>;

/** Sequences of steps lie two or three deep; what follows them, here and in the library, calls itself. */
const DEEPEST = 32;

/** Whether steps, or fields of them, are nested deeper than any real ones. The long lists of the model are not looked at. */
export function isTooDeep({ model, added_tokens: added, ...rest }: TokenizerJson): boolean {
  const settings = { ...model, vocab: undefined, merges: undefined };
  return isDeeper([rest, settings, added], DEEPEST);
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1));
}

/** One step of the normalizer, pre-tokenizer or decoder, with whatever fields its type has. */
export type Step = z.infer<typeof step>;

const named = z.union([z.string(), z.looseObject({ content: z.string() }).transform((token) => token.content)]);

/** The parts of tokenizer_config.json that are read here. */
export const tokenizerConfigSchema = z.looseObject({
  bos_token: named.nullish(),
  eos_token: named.nullish(),
  chat_template: z
    .union([z.string(), boundedList(z.looseObject({ name: z.string(), template: z.string() }))])
    .nullish(),
});
export type TokenizerConfig = z.infer<typeof tokenizerConfigSchema>;

import { z } from "zod";
import { KvDistillError, messageOf } from "../util/errors.ts";
import { quote } from "../util/quote.ts";
import { TimeIsUp, withinTime } from "../util/within-time.ts";
import { checkNormalizer, exactPreTokenizer } from "./tokenizer/exact-steps.ts";
import { tokenizerHash } from "./tokenizer/hash.ts";
import { LibraryTokenizer } from "./tokenizer/library.ts";
import { isTooDeep, tokenizerConfigSchema, tokenizerJsonSchema, type TokenizerJson } from "./tokenizer/schema.ts";
import { tokenSpans, type TokenSpans } from "./tokenizer/spans.ts";
import { tokenStream, type TokenStream } from "./tokenizer/stream.ts";
import { partsEncoder, type TextPart } from "./tokenizer/text-parts.ts";
import { tokenBytes, type TokenBytes } from "./tokenizer/token-bytes.ts";

export type { TokenSpan, TokenSpans } from "./tokenizer/spans.ts";
export type { TokenStream } from "./tokenizer/stream.ts";
export type { TextPart } from "./tokenizer/text-parts.ts";

/** Text to token ids and back, as the model's tokenizer.json says. */
export interface Tokenizer {
  /** sha256 over what decides ids and text; see `tokenizerHash`. */
  readonly hash: string;
  /** One more than the largest id. */
  readonly idLimit: number;
  readonly bosId: number | undefined;
  /** Every id that ends a generation; empty when the files name none. */
  readonly eosIds: readonly number[];
  /** Ids of the text as it stands: special tokens written in it are recognised, none are added. */
  encode(text: string, options: { readonly special: "parse" }): number[];
  /** Ids of a text made of parts, in some of which special tokens are letters like any others. */
  encodeParts(parts: readonly TextPart[]): number[];
  /** The text of `ids`. Bytes that are not UTF-8 become U+FFFD. Ids that are no token give nothing. */
  decode(ids: readonly number[], options: { readonly skipSpecial: boolean }): string;
  /** Decodes one id after another; what it returns, joined, is what `decode` returns. */
  stream(options: { readonly skipSpecial: boolean }): TokenStream;
  /** The whole text of `ids` and which part of it each of them is, for marking kept tokens. */
  spans(ids: readonly number[]): TokenSpans;
  /** The id of a token by its content as written in the vocabulary, special tokens included. */
  idOf(token: string): number | undefined;
  isSpecial(id: number): boolean;
}

/** Contents of the tokenizer's files, parsed as JSON, and where they came from. */
export interface TokenizerSource {
  readonly tokenizerJson: unknown;
  /** `{}` when the model has no tokenizer_config.json. */
  readonly tokenizerConfig: unknown;
  /** End tokens that the model's configuration names, beside the tokenizer's own. */
  readonly eosTokenIds: readonly number[];
  readonly where: string;
}

/**
 * A byte-pair tokenizer, byte-level (GPT-2, SmolLM2, Llama 3, Qwen) or SentencePiece-like (Llama 2, Mistral).
 * Ids equal those of the Python `tokenizers` package. A byte that the vocabulary lacks has no token and gives no id; where the files name a
 * token for what is unknown and the vocabulary lacks that too, encoding such a text is refused, as it is there.
 * @throws KvDistillError `bad-file` for malformed files (by `encode` and `encodeParts` too), `unsupported` for steps that cannot be run exactly, `too-large` (by
 * `encode` and `encodeParts` for patterns that take longer over a text than a second and 50 µs for each of its characters, in Node).
 */
export function createTokenizer(source: TokenizerSource): Tokenizer {
  const { where } = source;
  const json = parse(tokenizerJsonSchema, source.tokenizerJson, where);
  if (isTooDeep(json)) throw new KvDistillError("too-large", "steps of the tokenizer are nested too deep", { where });
  const config = parse(tokenizerConfigSchema, source.tokenizerConfig, where);
  const unsupported: string[] = [];
  if (json.model.type !== undefined && json.model.type !== "BPE") unsupported.push(`model: ${String(json.model.type)}`);
  for (const token of json.added_tokens) {
    if (token.single_word) unsupported.push(`added token ${JSON.stringify(token.content)}: single_word`);
  }
  checkNormalizer(json, unsupported);
  const preTokenizer = exactPreTokenizer(json, unsupported);
  const bytes = tokenBytes(json, unsupported);
  if (unsupported.length > 0) {
    throw new KvDistillError("unsupported", "this tokenizer needs what is not supported", {
      where,
      faults: unsupported,
    });
  }
  const exact = { ...json, pre_tokenizer: preTokenizer };
  const library = build(exact, where);
  const encode = encodeWith(library, json, where);
  const idOf = (token: string) => library.token_to_id(token);
  const named = (token: string | null | undefined) => (typeof token === "string" ? idOf(token) : undefined);
  const eos = named(config.eos_token);
  return {
    ...textOf(json, bytes),
    hash: tokenizerHash(json, preTokenizer),
    idLimit: idLimit(json),
    bosId: named(config.bos_token),
    eosIds: [...new Set([...(eos === undefined ? [] : [eos]), ...source.eosTokenIds])],
    encode,
    encodeParts: partsEncoder(exact, encode, (changed) => encodeWith(build(changed, where), json, where)),
    idOf,
  };
}

/** What the file's own regular expressions may take. A text takes 10 µs for each of its characters at most. */
const timeLimit = (text: string): number => 1000 + Math.ceil(text.length / 20);

function encodeWith(library: LibraryTokenizer, { model }: TokenizerJson, where: string): (text: string) => number[] {
  return (text) => {
    if (text === "") return [];
    const { ids } = withinTimeLimit(() => library.encode(text, { add_special_tokens: false }), timeLimit(text), where);
    if (ids.every((id) => id !== undefined)) return ids;
    throw new KvDistillError("bad-file", "the token for what is unknown is not in the vocabulary", {
      where,
      got: `unk_token ${quote(String(model.unk_token))}`,
      hint: "correct unk_token in tokenizer.json",
    });
  };
}

function withinTimeLimit<T>(encode: () => T, milliseconds: number, where: string): T {
  try {
    return withinTime(encode, milliseconds);
  } catch (error) {
    if (!(error instanceof TimeIsUp)) throw error;
    throw new KvDistillError("too-large", "a pattern of the tokenizer takes too long over this text", {
      where,
      expected: `at most ${milliseconds} ms`,
      hint: "look for repetitions of repetitions, such as (a+)+, among the patterns of tokenizer.json",
    });
  }
}

function textOf(json: TokenizerJson, bytes: TokenBytes): Pick<Tokenizer, "decode" | "stream" | "spans" | "isSpecial"> {
  const special = new Set(json.added_tokens.filter((token) => token.special).map((token) => token.id));
  const isSpecial = (id: number) => special.has(id);
  const stream = ({ skipSpecial }: { readonly skipSpecial: boolean }) =>
    tokenStream(bytes, skipSpecial ? isSpecial : () => false);
  return {
    isSpecial,
    stream,
    decode: (ids, options) => {
      const text = stream(options);
      return ids.map((id) => text.push(id)).join("") + text.end();
    },
    spans: (ids) => tokenSpans(bytes, ids),
  };
}

function idLimit(json: TokenizerJson): number {
  let largest = -1;
  for (const id of Object.values(json.model.vocab)) largest = Math.max(largest, id);
  for (const { id } of json.added_tokens) largest = Math.max(largest, id);
  return largest + 1;
}

function build(json: TokenizerJson, where: string): LibraryTokenizer {
  const complete = { post_processor: null, ...json };
  try {
    return new LibraryTokenizer(complete, { clean_up_tokenization_spaces: false });
  } catch (cause) {
    throw new KvDistillError("bad-file", "the tokenizer cannot be built", { where, got: messageOf(cause), cause });
  }
}

function parse<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const faults = result.error.issues.map((issue) => `${issue.path.join(".") || "(whole file)"}: ${issue.message}`);
  throw new KvDistillError("bad-file", "the tokenizer's files are wrong", { where, faults, cause: result.error });
}

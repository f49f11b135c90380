import type { GgufFile } from "../../formats/gguf/header.ts";
import { optionalMetadata, requiredMetadata } from "../../formats/gguf/lookup.ts";
import { KvDistillError } from "../../util/errors.ts";
import { quote } from "../../util/quote.ts";
import { preTokenizerNamed } from "./pre-tokenizers.ts";

/** `tokenizer.ggml.token_type`, as numbered by llama.cpp. */
const UNKNOWN = 2;
const CONTROL = 3;
const USER_DEFINED = 4;
const UNUSED = 5;

export interface GgufTokenizer {
  readonly tokenizerJson: object;
  readonly tokenizerConfig: object;
}

/**
 * tokenizer.json and tokenizer_config.json out of a GGUF file's metadata: byte-level BPE only.
 * @throws KvDistillError `bad-file`, `unsupported` (SentencePiece and other models, unknown pre-tokenizers).
 */
export function ggufTokenizer(file: GgufFile): GgufTokenizer {
  const model = requiredMetadata(file, "tokenizer.ggml.model", "string");
  if (model !== "gpt2") {
    throw new KvDistillError("unsupported", "GGUF tokenizer not handled", {
      where: `${file.path}: tokenizer.ggml.model`,
      expected: "gpt2 (byte-level BPE)",
      got: quote(model),
      hint: "use the model's Hugging Face folder",
    });
  }
  const tokens = requiredMetadata(file, "tokenizer.ggml.tokens", "strings");
  return { tokenizerJson: tokenizerJson(file, tokens), tokenizerConfig: tokenizerConfig(file, tokens) };
}

function tokenizerJson(file: GgufFile, tokens: readonly string[]): object {
  const types = requiredMetadata(file, "tokenizer.ggml.token_type", "numbers");
  const merges = requiredMetadata(file, "tokenizer.ggml.merges", "strings");
  const { normalizer, pre_tokenizer, ignoreMerges } = preTokenizerNamed(
    optionalMetadata(file, "tokenizer.ggml.pre", "string"),
    file.path,
  );
  if (types.length !== tokens.length) {
    throw new KvDistillError("bad-file", "tokens and token types differ in number", {
      where: file.path,
      expected: tokens.length.toString(),
      got: types.length.toString(),
    });
  }
  const added = tokens.flatMap((content, id) => {
    const type = types[id];
    const special = type === CONTROL || type === UNKNOWN;
    return special || type === USER_DEFINED ? [addedToken(id, content, special)] : [];
  });
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: added,
    normalizer,
    pre_tokenizer,
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: ignoreMerges,
      vocab: vocabulary(tokens, types, file.path),
      merges,
    },
  };
}

function addedToken(id: number, content: string, special: boolean): object {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special };
}

/** Ids by token, without the fillers that no text gives. */
function vocabulary(tokens: readonly string[], types: readonly number[], where: string): Record<string, number> {
  const ids = new Map<string, number>();
  for (const [id, token] of tokens.entries()) {
    if (types[id] === UNUSED) continue;
    if (ids.has(token)) throw new KvDistillError("bad-file", "a token is there twice", { where, got: quote(token) });
    ids.set(token, id);
  }
  return Object.fromEntries(ids);
}

function tokenizerConfig(file: GgufFile, tokens: readonly string[]): object {
  const named = (key: string) => {
    const id = optionalMetadata(file, `tokenizer.ggml.${key}_token_id`, "integer");
    return id === undefined ? undefined : tokens[id];
  };
  return {
    tokenizer_class: "PreTrainedTokenizerFast",
    clean_up_tokenization_spaces: false,
    bos_token: named("bos"),
    eos_token: named("eos"),
    unk_token: named("unknown"),
    pad_token: named("padding"),
    chat_template: optionalMetadata(file, "tokenizer.chat_template", "string"),
  };
}

import { KvDistillError } from "../../../util/errors.ts";
import { quote } from "../../../util/quote.ts";

/** The parts of tokenizer.json that a GGUF file tells only by a name. */
export interface PreTokenizer {
  readonly normalizer: object | null;
  readonly pre_tokenizer: object;
  readonly ignoreMerges: boolean;
}

const byteLevel = (useRegex: boolean) => ({
  type: "ByteLevel",
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: useRegex,
});

/** Splits by a pattern, then writes bytes as characters. */
const split = (pattern: string) => ({
  type: "Sequence",
  pretokenizers: [
    { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false },
    byteLevel(false),
  ],
});

/** Llama 3's and Qwen2's patterns differ in how many digits stay together. */
const words = (digits: string) =>
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|${digits}` +
  String.raw`| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

const gpt2: PreTokenizer = { normalizer: null, pre_tokenizer: byteLevel(true), ignoreMerges: false };
const llama3: PreTokenizer = {
  normalizer: null,
  pre_tokenizer: split(words(String.raw`\p{N}{1,3}`)),
  ignoreMerges: true,
};
const qwen2: PreTokenizer = {
  normalizer: { type: "NFC" },
  pre_tokenizer: split(words(String.raw`\p{N}`)),
  ignoreMerges: false,
};
const smollm: PreTokenizer = {
  normalizer: null,
  pre_tokenizer: { type: "Sequence", pretokenizers: [{ type: "Digits", individual_digits: true }, byteLevel(true)] },
  ignoreMerges: false,
};

/** By `tokenizer.ggml.pre`. */
const PRE_TOKENIZERS: Readonly<Record<string, PreTokenizer>> = {
  "gpt-2": gpt2,
  "llama-bpe": llama3,
  llama3: llama3,
  qwen2: qwen2,
  smollm: smollm,
};

/**
 * What a GGUF pre-tokenizer's name stands for.
 * @throws KvDistillError `unsupported` for any other: guessing would give wrong ids.
 */
export function preTokenizerNamed(name: string | undefined, where: string): PreTokenizer {
  const found = name !== undefined && Object.hasOwn(PRE_TOKENIZERS, name) ? PRE_TOKENIZERS[name] : undefined;
  if (found !== undefined) return found;
  throw new KvDistillError("unsupported", "GGUF pre-tokenizer not handled", {
    where: `${where}: tokenizer.ggml.pre`,
    expected: Object.keys(PRE_TOKENIZERS).join(", "),
    got: name === undefined ? "none" : quote(name),
    hint: "use the model's Hugging Face folder, whose tokenizer.json tells how text is split",
  });
}

import type { GgufFile } from "../../../formats/gguf/header.ts";
import { optionalMetadata, requiredMetadata } from "../../../formats/gguf/lookup.ts";
import { KvDistillError } from "../../../util/errors.ts";
import { quote } from "../../../util/quote.ts";
import { byteLevelJson } from "./byte-level.ts";
import { sentencePieceJson } from "./sentence-piece.ts";

export interface GgufTokenizer {
  readonly tokenizerJson: object;
  readonly tokenizerConfig: object;
}

/** By llama.cpp's name of the kind of model. */
const KINDS: Readonly<Record<string, (file: GgufFile) => object>> = { gpt2: byteLevelJson, llama: sentencePieceJson };

/**
 * tokenizer.json and tokenizer_config.json out of a GGUF file's metadata.
 * @throws KvDistillError `bad-file`, `unsupported` (other kinds of models, unknown pre-tokenizers).
 */
export function ggufTokenizer(file: GgufFile): GgufTokenizer {
  const model = requiredMetadata(file, "tokenizer.ggml.model", "string");
  const jsonOf = Object.hasOwn(KINDS, model) ? KINDS[model] : undefined;
  if (jsonOf === undefined) {
    throw new KvDistillError("unsupported", "GGUF tokenizer not handled", {
      where: `${file.path}: tokenizer.ggml.model`,
      expected: "gpt2 (byte-level BPE) or llama (SentencePiece BPE)",
      got: quote(model),
      hint: "use the model's Hugging Face folder",
    });
  }
  return { tokenizerJson: jsonOf(file), tokenizerConfig: tokenizerConfig(file) };
}

function tokenizerConfig(file: GgufFile): object {
  const tokens = requiredMetadata(file, "tokenizer.ggml.tokens", "strings");
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

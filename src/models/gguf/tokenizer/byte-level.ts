import type { GgufFile } from "../../../formats/gguf/header.ts";
import { optionalMetadata, requiredMetadata } from "../../../formats/gguf/lookup.ts";
import { preTokenizerNamed } from "./pre-tokenizers.ts";
import { addedTokens, ggufTokens, vocabulary } from "./vocabulary.ts";

/**
 * tokenizer.json of a byte-level BPE model ("gpt2"): its merges are in the file, its pre-tokenizer has a name.
 * @throws KvDistillError `bad-file`, `unsupported` for an unknown pre-tokenizer
 */
export function byteLevelJson(file: GgufFile): object {
  const tokens = ggufTokens(file);
  const merges = requiredMetadata(file, "tokenizer.ggml.merges", "strings");
  const { normalizer, pre_tokenizer, ignoreMerges } = preTokenizerNamed(
    optionalMetadata(file, "tokenizer.ggml.pre", "string"),
    file.path,
  );
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens(tokens),
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
      vocab: Object.fromEntries(vocabulary(tokens, file.path)),
      merges,
    },
  };
}

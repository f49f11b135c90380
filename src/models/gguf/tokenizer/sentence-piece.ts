import type { GgufFile } from "../../../formats/gguf/header.ts";
import { optionalMetadata, requiredMetadata } from "../../../formats/gguf/lookup.ts";
import { KvDistillError } from "../../../util/errors.ts";
import { addedTokens, differ, type GgufTokens, ggufTokens, TOKEN_TYPE, vocabulary } from "./vocabulary.ts";

/** What SentencePiece writes for a space. */
const SPACE = "▁";

/**
 * tokenizer.json of a SentencePiece BPE model ("llama": Llama 2, Mistral). Such a model has no list of merges: of all neighbours whose
 * join is a piece, those with the best score are joined first. As a list: every way to cut a piece into two pieces, best pieces first.
 * @throws KvDistillError `bad-file`, `unsupported` for a text that is rewritten before it is cut
 */
export function sentencePieceJson(file: GgufFile): object {
  const tokens = ggufTokens(file);
  const scores = requiredMetadata(file, "tokenizer.ggml.scores", "numbers");
  if (scores.length !== tokens.tokens.length) throw differ(file, "scores", tokens.tokens.length, scores.length);
  checkUnchanged(file);
  const prefixed = optionalMetadata(file, "tokenizer.ggml.add_space_prefix", "boolean") ?? true;
  const spaces = { type: "Replace", pattern: { String: " " }, content: SPACE };
  const ids = vocabulary(tokens, file.path);
  const unknown = tokens.types.indexOf(TOKEN_TYPE.unknown);
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens(tokens),
    normalizer: prefixed ? { type: "Sequence", normalizers: [{ type: "Prepend", prepend: SPACE }, spaces] } : spaces,
    pre_tokenizer: null,
    post_processor: null,
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: SPACE }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        ...(prefixed ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : []),
      ],
    },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: tokens.tokens[unknown] ?? null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: tokens.types.includes(TOKEN_TYPE.byte),
      ignore_merges: false,
      vocab: Object.fromEntries(ids),
      merges: mergesOf(tokens, ids, scores),
    },
  };
}

/** @throws KvDistillError `unsupported` for models that normalise a text before they cut it: Llama's and Mistral's do not */
function checkUnchanged(file: GgufFile): void {
  const { path, metadata } = file;
  const rewritten = [
    ...(metadata.has("tokenizer.ggml.precompiled_charsmap") ? ["precompiled_charsmap"] : []),
    ...(optionalMetadata(file, "tokenizer.ggml.remove_extra_whitespaces", "boolean") === true
      ? ["remove_extra_whitespaces"]
      : []),
  ];
  if (rewritten.length === 0) return;
  throw new KvDistillError("unsupported", "GGUF tokenizer rewrites the text", {
    where: path,
    got: rewritten.map((key) => `tokenizer.ggml.${key}`).join(", "),
    hint: "use the model's Hugging Face folder",
  });
}

/** Pairs of pieces in the order in which they are joined; of equally good ones, those of earlier pieces first. */
function mergesOf(
  { tokens, types }: GgufTokens,
  ids: ReadonlyMap<string, number>,
  scores: readonly number[],
): [string, string][] {
  // Control tokens, bytes and what is found before any cutting are never made by joining.
  const isPiece = (id: number | undefined): id is number => id !== undefined && types[id] === TOKEN_TYPE.normal;
  const best = [...tokens.keys()].filter(isPiece).sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0) || a - b);
  return best.flatMap((id) => {
    const piece = tokens[id] ?? "";
    const pairs: { readonly left: number; readonly right: number; readonly pair: [string, string] }[] = [];
    let at = 0;
    for (const character of piece) {
      at += character.length;
      const pair: [string, string] = [piece.slice(0, at), piece.slice(at)];
      const [left, right] = [ids.get(pair[0]), ids.get(pair[1])];
      if (isPiece(left) && isPiece(right)) pairs.push({ left, right, pair });
    }
    return pairs.sort((a, b) => a.left - b.left || a.right - b.right).map(({ pair }) => pair);
  });
}

import type { GgufFile } from "../../../formats/gguf/header.ts";
import { requiredMetadata } from "../../../formats/gguf/lookup.ts";
import { KvDistillError } from "../../../util/errors.ts";
import { quote } from "../../../util/quote.ts";

/** `tokenizer.ggml.token_type`, as numbered by llama.cpp. */
export const TOKEN_TYPE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** The tokens of a GGUF file, by id. */
export interface GgufTokens {
  readonly tokens: readonly string[];
  readonly types: readonly number[];
}

/** @throws KvDistillError `bad-file` when there is not one type for each */
export function ggufTokens(file: GgufFile): GgufTokens {
  const tokens = requiredMetadata(file, "tokenizer.ggml.tokens", "strings");
  const types = requiredMetadata(file, "tokenizer.ggml.token_type", "numbers");
  if (types.length !== tokens.length) throw differ(file, "token types", tokens.length, types.length);
  return { tokens, types };
}

export function differ({ path }: GgufFile, what: string, expected: number, got: number): KvDistillError {
  return new KvDistillError("bad-file", `tokens and ${what} differ in number`, {
    where: path,
    expected: expected.toString(),
    got: got.toString(),
  });
}

/** tokenizer.json's list of tokens that are found before any splitting. */
export function addedTokens({ tokens, types }: GgufTokens): object[] {
  return tokens.flatMap((content, id) => {
    const type = types[id];
    const special = type === TOKEN_TYPE.control || type === TOKEN_TYPE.unknown;
    if (!special && type !== TOKEN_TYPE.userDefined) return [];
    return [{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special }];
  });
}

/**
 * Ids by token, without the fillers that no text gives.
 * @throws KvDistillError `bad-file` for a token that is there twice
 */
export function vocabulary({ tokens, types }: GgufTokens, where: string): ReadonlyMap<string, number> {
  const ids = new Map<string, number>();
  for (const [id, token] of tokens.entries()) {
    if (types[id] === TOKEN_TYPE.unused) continue;
    if (ids.has(token)) throw new KvDistillError("bad-file", "a token is there twice", { where, got: quote(token) });
    ids.set(token, id);
  }
  return ids;
}

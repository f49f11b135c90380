import * as library from "@huggingface/tokenizers";

/** What is used of the library's tokenizer. */
export interface LibraryTokenizer {
  /** `undefined` stands for the id of a token that the vocabulary lacks. */
  encode(text: string, options: { add_special_tokens: boolean }): { ids: (number | undefined)[] };
  token_to_id(token: string): number | undefined;
}

type Constructor = new (tokenizerJson: object, tokenizerConfig: object) => LibraryTokenizer;

/**
 * The class of `@huggingface/tokenizers`, typed here: its own declarations import each other without file extensions,
 * which type resolution for Node does not follow.
 */
export const { Tokenizer: LibraryTokenizer } = library as unknown as { readonly Tokenizer: Constructor };

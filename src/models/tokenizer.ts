/** Text to token ids and back, as the model's tokenizer.json says. */
export interface Tokenizer {
  /** Ids below this number exist in the vocabulary or among the added tokens (gaps are possible). */
  readonly vocabSize: number;
  readonly bosId: number | undefined;
  /** Every id that ends a generation. */
  readonly eosIds: readonly number[];
  /** Ids of the text as it stands: special tokens written in it are recognised, none are added. */
  encode(text: string, options: { readonly special: "parse" }): number[];
  /** The text of `ids`. Bytes that are not UTF-8 become U+FFFD. */
  decode(ids: readonly number[], options: { readonly skipSpecial: boolean }): string;
  /** Decodes ids one by one, never half a character. */
  stream(options: { readonly skipSpecial: boolean }): TokenStream;
  /** The id of a token by its exact content, special tokens included; undefined when there is none. */
  idOf(token: string): number | undefined;
  isSpecial(id: number): boolean;
}

export interface TokenStream {
  /** The text that this id completes; empty while a character is unfinished. */
  push(id: number): string;
  /** What is left at the end: an unfinished character as U+FFFD. */
  end(): string;
}

import type { TokenBytes } from "./token-bytes.ts";

/** Text that grows token by token, never by half a character. */
export interface TokenStream {
  /** The text that this id completes; empty while a character is unfinished. */
  push(id: number): string;
  /** What is left at the end: U+FFFD for an unfinished character, or nothing. */
  end(): string;
}

/** A stream over token bytes; `skip` names the ids that give no text. */
export function tokenStream(bytes: TokenBytes, skip: (id: number) => boolean): TokenStream {
  // ignoreBOM keeps U+FEFF, which is text like any other here.
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let atStart = bytes.dropsFirstSpace;
  const withoutFirstSpace = (text: string): string => {
    if (!atStart || text === "") return text;
    atStart = false;
    return text.startsWith(" ") ? text.slice(1) : text;
  };
  return {
    push: (id) => (skip(id) ? "" : withoutFirstSpace(decoder.decode(bytes.of(id), { stream: true }))),
    end: () => withoutFirstSpace(decoder.decode()),
  };
}

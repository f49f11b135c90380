import { joinBytes } from "../../util/bytes.ts";
import type { TokenBytes } from "./token-bytes.ts";

/** A token's part of a text, in UTF-16 units: `text.slice(start, end)`. */
export interface TokenSpan {
  readonly start: number;
  readonly end: number;
}

/** A text and where each of its tokens lies in it. */
export interface TokenSpans {
  readonly text: string;
  /** One per id. A character that several tokens share belongs to the span of each of them. */
  readonly spans: readonly TokenSpan[];
}

/** Decodes `ids`, special tokens included, and says which characters each of them is part of. */
export function tokenSpans(bytes: TokenBytes, ids: readonly number[]): TokenSpans {
  const pieces = ids.map((id) => bytes.of(id));
  const whole = joinBytes(pieces);
  const full = new TextDecoder("utf-8", { ignoreBOM: true }).decode(whole);
  const { first, last } = characterAtByte(whole);
  const dropped = bytes.dropsFirstSpace && full.startsWith(" ") ? 1 : 0;
  const inText = (index: number) => Math.max(0, index - dropped);
  let at = 0;
  const spans = pieces.map((piece) => {
    const [start, end] = [at, at + piece.length];
    at = end;
    const from = first[start] ?? full.length;
    return { start: inText(from), end: inText(piece.length === 0 ? from : (last[end - 1] ?? full.length)) };
  });
  return { text: full.slice(dropped), spans };
}

/** For each byte, where its character begins and ends in the decoded text. */
function characterAtByte(whole: Uint8Array): { first: Uint32Array; last: Uint32Array } {
  const first = new Uint32Array(whole.length);
  const last = new Uint32Array(whole.length);
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let length = 0;
  let pending = 0;
  for (let i = 0; i < whole.length; i++) {
    const text = decoder.decode(whole.subarray(i, i + 1), { stream: true });
    if (text !== "") {
      first.fill(length, pending, i + 1);
      length += text.length;
      last.fill(length, pending, i + 1);
      pending = i + 1;
    }
  }
  const rest = decoder.decode();
  first.fill(length, pending);
  last.fill(length + rest.length, pending);
  return { first, last };
}

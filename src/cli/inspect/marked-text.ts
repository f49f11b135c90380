import type { TokenSpans } from "../../models/tokenizer.ts";
import { formatNumber } from "../../util/format.ts";
import { printable } from "../../util/printable.ts";
import { escapeMarkup } from "../../util/svg/element.ts";
import type { KeptTokens } from "./kept-tokens.ts";

/** Steps of marking; 0 is not kept. */
export const LEVELS = 5;

/**
 * How strongly each token is marked, 0 … LEVELS. Where all heads hold the same tokens: by the rank of the score among the kept
 * ones (all in the middle without scores). Where heads choose for themselves: by the share of heads that hold the token.
 */
export function markLevels({ heads, holders, scores }: KeptTokens): Uint8Array {
  if (heads > 1) return Uint8Array.from(holders, (count) => Math.ceil((LEVELS * count) / heads));
  if (scores === undefined) return Uint8Array.from(holders, (count) => (count > 0 ? Math.ceil(LEVELS / 2) : 0));
  const levels = new Uint8Array(holders.length);
  const order = Array.from(holders.keys()).filter((token) => (holders[token] ?? 0) > 0);
  order.sort((a, b) => (scores[a] ?? 0) - (scores[b] ?? 0) || a - b);
  order.forEach((token, rank) => {
    levels[token] = 1 + Math.floor((LEVELS * rank) / order.length);
  });
  return levels;
}

/**
 * The text as HTML in which each kept token is a `<mark>`. Characters that several tokens share are marked as the strongest of them.
 * White space is for the style sheet to keep.
 */
export function markedText({ text, spans }: TokenSpans, kept: KeptTokens): string {
  const levels = markLevels(kept);
  const pieces: { start: number; end: number; token: number }[] = [];
  let end = 0;
  spans.forEach((span, token) => {
    const last = pieces.at(-1);
    if (span.end > end) pieces.push({ start: Math.max(span.start, end), end: span.end, token });
    else if (last !== undefined && (levels[token] ?? 0) > (levels[last.token] ?? 0)) last.token = token;
    end = Math.max(end, span.end);
  });
  return pieces.map((piece) => pieceMarkup(text.slice(piece.start, piece.end), piece.token, levels, kept)).join("");
}

function pieceMarkup(text: string, token: number, levels: Uint8Array, { heads, holders, scores }: KeptTokens): string {
  const shown = escapeMarkup(printable(text.replaceAll("\r", "")));
  const level = levels[token] ?? 0;
  if (level === 0) return shown;
  const facts = [`token ${token}`];
  if (scores !== undefined) facts.push(`score ${formatNumber(scores[token] ?? NaN)}`);
  if (heads > 1) facts.push(`held by ${holders[token] ?? 0} of ${heads} heads`);
  // A marked line break would not be seen.
  const lineBreak = text.includes("\n") ? " n" : "";
  return `<mark class="k${level}${lineBreak}" title="${facts.join(", ")}">${shown}</mark>`;
}

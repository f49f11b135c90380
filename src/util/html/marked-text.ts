import { formatNumber } from "../format.ts";
import { htmlText } from "./document.ts";
import type { Markup } from "../svg/element.ts";

/** Steps of marking; 0 is not kept. */
export const LEVELS = 5;

/** A text and which part of it each token is; a character that several tokens share belongs to each of them. */
export interface TokenText {
  readonly text: string;
  /** One per token, in UTF-16 units. */
  readonly spans: readonly { readonly start: number; readonly end: number }[];
}

/** Which tokens to mark. */
export interface TokenMarks {
  /** Choices made: 1 where all heads of all layers hold the same tokens. */
  readonly heads: number;
  /** For every token by how many of the `heads` it is held. */
  readonly holders: ArrayLike<number>;
  /** For every token what it was kept for; undefined without scores. */
  readonly scores: ArrayLike<number> | undefined;
}

/**
 * How strongly each token is marked, 0 … LEVELS: by its rank among the kept ones, equals alike. Where heads choose for themselves that is the
 * rank of the number of heads that hold it (of a tenth of the rows nearly every token has a few), otherwise that of the score; all in the
 * middle without scores.
 */
export function markLevels({ heads, holders, scores }: TokenMarks): Uint8Array {
  const strength = heads > 1 ? holders : scores;
  if (strength === undefined) return Uint8Array.from(holders, (count) => (count > 0 ? Math.ceil(LEVELS / 2) : 0));
  const levels = new Uint8Array(holders.length);
  const order = Array.from(levels.keys()).filter((token) => (holders[token] ?? 0) > 0);
  const strengthAt = (rank: number): number => strength[order[rank] ?? 0] ?? 0;
  order.sort((a, b) => (strength[b] ?? 0) - (strength[a] ?? 0));
  // From the strongest on: equals take the level of the first of them.
  let level = LEVELS;
  for (const [rank, token] of order.entries()) {
    if (rank > 0 && strengthAt(rank) !== strengthAt(rank - 1)) {
      level = 1 + Math.floor((LEVELS * (order.length - 1 - rank)) / order.length);
    }
    levels[token] = level;
  }
  return levels;
}

/**
 * The text as HTML in which kept tokens are in `<mark>`s. Characters that several tokens share are marked as the strongest of them.
 * White space is for the style sheet to keep.
 * @param detail one mark a token that says its score when pointed at; otherwise neighbours of one level share a mark, which is many times shorter
 */
export function markedText(text: TokenText, marks: TokenMarks, detail = true): Markup {
  if (detail) {
    return markedPieces(text, marks)
      .map((piece) => markup(piece.text, piece.level, ` title="${factsOf(piece.token, marks)}"`))
      .join("");
  }
  const levels = markLevels(marks);
  const merged: { start: number; end: number; level: number }[] = [];
  for (const { start, end, token } of piecesOf(text, levels)) {
    const level = levels[token] ?? 0;
    const last = merged.at(-1);
    // A piece with a line break stays for itself: its mark shows the break.
    if (last?.level === level && (level === 0 || !text.text.slice(last.start, end).includes("\n"))) last.end = end;
    else merged.push({ start, end, level });
  }
  return merged.map(({ start, end, level }) => markup(text.text.slice(start, end), level, "")).join("");
}

/** A stretch of a text: what belongs to one kept token, or everything between two. */
export interface MarkedPiece {
  readonly text: string;
  /** 0 for what is not kept. */
  readonly level: number;
  /** The kept token; the first of those that are not. */
  readonly token: number;
}

/** The text cut at kept tokens; joined, the pieces are the text. */
export function markedPieces(text: TokenText, marks: TokenMarks): MarkedPiece[] {
  const levels = markLevels(marks);
  const cut: { start: number; end: number; level: number; token: number }[] = [];
  for (const { start, end, token } of piecesOf(text, levels)) {
    const level = levels[token] ?? 0;
    const last = cut.at(-1);
    if (level === 0 && last?.level === 0) last.end = end;
    else cut.push({ start, end, level, token });
  }
  return cut.map(({ start, end, ...piece }) => ({ text: text.text.slice(start, end), ...piece }));
}

interface Piece {
  readonly start: number;
  readonly end: number;
  token: number;
}

/** The text cut at the tokens' ends; each piece is the strongest token that it is part of. */
function piecesOf({ spans }: TokenText, levels: Uint8Array): Piece[] {
  const pieces: Piece[] = [];
  let end = 0;
  spans.forEach((span, token) => {
    const last = pieces.at(-1);
    if (span.end > end) pieces.push({ start: Math.max(span.start, end), end: span.end, token });
    else if (last !== undefined && (levels[token] ?? 0) > (levels[last.token] ?? 0)) last.token = token;
    end = Math.max(end, span.end);
  });
  return pieces;
}

function factsOf(token: number, { heads, holders, scores }: TokenMarks): string {
  const facts = [`token ${token}`];
  if (scores !== undefined) facts.push(`score ${formatNumber(scores[token] ?? NaN)}`);
  if (heads > 1) facts.push(`held by ${holders[token] ?? 0} of ${heads} heads`);
  return facts.join(", ");
}

function markup(text: string, level: number, title: string): Markup {
  if (level === 0) return htmlText(text);
  // A marked line break would not be seen.
  const lineBreak = text.includes("\n") ? " n" : "";
  return `<mark class="k${level}${lineBreak}"${title}>${htmlText(text)}</mark>`;
}

/** One mark of each level, for a legend. */
export function markSamples(): Markup {
  return Array.from({ length: LEVELS }, (_, i) => `<mark class="k${i + 1}">${i + 1}</mark>`).join(" ");
}

/** Style of marks. */
export const MARK_STYLE = [
  "mark{color:var(--text);border-bottom:2px solid;border-radius:2px}",
  ...Array.from(
    { length: LEVELS },
    (_, i) => `.k${i + 1}{background:rgb(var(--mark)/${10 + 8 * i}%);border-color:rgb(var(--mark)/${25 * i}%)}`,
  ),
  '.n::before{content:"↵"}',
].join("\n");

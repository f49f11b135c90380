import { type FoldCut, USUAL_CHOICES } from "../cache/adapter.ts";
import { KvDistillError } from "../util/errors.ts";

/**
 * A stretch of a context that is compressed by itself, at its true positions (METHOD section 6), read right after the context's sinks: the first token
 * that a model reads becomes a sink, and those of later folds would take the attention that the context's own should have (log, E32).
 */
export interface Fold {
  readonly start: number;
  readonly end: number;
  /** Rows kept of it. */
  readonly count: number;
  /** Leading tokens of it that are always kept. Only the first fold has any: it has the context's first tokens. */
  readonly sinks: number;
  /** First tokens of the context that are read in front of it, and whose rows are dropped afterwards; 0 for the first. */
  readonly lead: number;
}

/** Tokens of a fold. Paper: 1,536. */
export const FOLD_TOKENS = 1536;

/** How a context is cut. */
export interface Folding {
  /** Tokens of a fold at most, with the sinks that are read in front of it. */
  readonly foldTokens: number;
  readonly foldCut: FoldCut;
}

/** What a person asks for, who may leave the length to us, and an adapter's cut; undefined: in one piece. */
export function foldingOf(
  fold: boolean | number | undefined,
  foldCut: FoldCut = USUAL_CHOICES.foldCut,
): Folding | undefined {
  if (fold === false || fold === undefined) return undefined;
  return { foldTokens: fold === true ? FOLD_TOKENS : fold, foldCut };
}

/**
 * Cuts `tokens` tokens into folds and shares `count` rows among them: the sinks go to the first, the others by length. A fold of a small
 * budget may keep nothing.
 * @throws KvDistillError `bad-argument` for folds of which the sinks would be a third
 */
export function folds(tokens: number, count: number, sinks: number, { foldTokens, foldCut }: Folding): Fold[] {
  // Even folds are at least half as long as there is room beside the sinks, and the first must hold the sinks.
  if (!Number.isInteger(foldTokens) || foldTokens <= 3 * sinks) {
    throw new KvDistillError("bad-argument", "the folds are too short", {
      where: "fold",
      expected: `at least ${3 * sinks + 1} tokens`,
      got: String(foldTokens),
    });
  }
  const room = tokens > foldTokens ? foldTokens - sinks : foldTokens;
  const pieces = Math.ceil(tokens / room);
  const border = (piece: number): number =>
    foldCut === "full" ? Math.min(piece * room, tokens) : Math.round((piece * tokens) / pieces);
  const first = Math.min(sinks, count, tokens);
  const free = tokens - first;
  // Rows given out when the first `done` tokens are through. Rounded as one running sum, so that the shares add up exactly.
  const rows = (done: number): number => (free === 0 ? 0 : Math.round(((done - first) * (count - first)) / free));
  return Array.from({ length: pieces }, (_, i) => {
    const [start, end] = [border(i), border(i + 1)];
    if (i === 0) return { start, end, count: first + rows(end), sinks: first, lead: 0 };
    return { start, end, count: rows(end) - rows(start), sinks: 0, lead: sinks };
  });
}

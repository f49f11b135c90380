/** A stretch of a context that is compressed by itself, at its true positions (METHOD section 6). */
export interface Fold {
  readonly start: number;
  readonly end: number;
  /** Rows kept of it. */
  readonly count: number;
  /** Only the first fold has the context's first tokens. */
  readonly sinks: number;
}

/** Tokens of a fold. Paper: 1,536. */
export const FOLD_TOKENS = 1536;

/** Cuts a context into folds of at most `foldTokens` tokens and shares `count` rows among them by length. */
export function folds(tokens: number, count: number, sinks: number, foldTokens = FOLD_TOKENS): Fold[] {
  const pieces = Math.ceil(tokens / foldTokens);
  return Array.from({ length: pieces }, (_, i) => {
    // Boundaries and budgets are rounded alike, so that the shares add up to `count` exactly.
    const at = (part: number, whole: number): number => Math.round((part * whole) / pieces);
    return {
      start: at(i, tokens),
      end: at(i + 1, tokens),
      count: at(i + 1, count) - at(i, count),
      sinks: i === 0 ? sinks : 0,
    };
  });
}

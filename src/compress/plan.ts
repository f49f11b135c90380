import type { AskedKeep } from "../cache/kv-cache.ts";
import { contextLimit, type ModelConfig } from "../models/config.ts";
import { KvDistillError } from "../util/errors.ts";
import { rowsFor } from "./budget.ts";
import { type Fold, FOLD_TOKENS, type Folding, folds } from "./fold.ts";

/** The compressed part of a context, in token positions, `end` not included. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface PlanRequest {
  /** Tokens of the whole context. */
  readonly tokens: number;
  readonly span: Span;
  readonly keep: AskedKeep;
  /** Leading tokens of the context that are always kept. */
  readonly sinks: number;
  /** Undefined to compress in one piece. */
  readonly folding: Folding | undefined;
}

/** A stretch to compress. */
export interface Piece extends Fold {
  /** Rows of it that one head may keep, where heads keep different numbers: so many that no head comes to fill the model. */
  readonly most: number;
}

/** How a context is compressed. */
export interface Plan {
  /**
   * Stretches to compress, in order, from the context's first token to the span's last. What lies in front of the span
   * belongs to the first and is kept as its sinks are.
   */
  readonly pieces: readonly Piece[];
  /** Rows of the finished cache. */
  readonly rows: number;
  /** Tokens stand farther apart than the model was trained for. */
  readonly beyondTraining: boolean;
}

/**
 * Works out pieces and rows. Tokens outside the span are all kept; the budget is for the span.
 * @throws KvDistillError `bad-argument` for budget, span and folds; `context-too-long` for a context, fold or cache that the
 * model cannot read; `unsupported` for positions that it does not have
 */
export function planCompression(request: PlanRequest, config: ModelConfig, where: string): Plan {
  const { tokens, span, keep, sinks, folding } = request;
  const limit = contextLimit(config);
  checkSpan(span, tokens);
  if (folding === undefined) checkLength(tokens, limit, where);
  if (config.positions === "learned" && tokens > config.maxPositions) {
    throw new KvDistillError("unsupported", "the model has learned positions and none beyond its limit", {
      where,
      expected: `at most ${config.maxPositions} tokens, in folds or not`,
      got: String(tokens),
      hint: "shorten the text, or use a model with rotary positions",
    });
  }
  const length = span.end - span.start;
  const spanSinks = Math.max(0, sinks - span.start);
  const count = rowsFor(keep, length, spanSinks, config);
  const whole = { start: 0, end: length, count, sinks: Math.min(spanSinks, length), lead: 0 };
  const cut = folding === undefined ? [whole] : folds(length, count, whole.sinks, folding);
  const pieces = cut.map((fold, i) => {
    const [start, end] = [span.start + fold.start, span.start + fold.end];
    // The context's sinks, which may lie in front of the span.
    if (i > 0) return { ...fold, start, end, lead: Math.min(sinks, start) };
    return { start: 0, end, count: span.start + fold.count, sinks: span.start + fold.sinks, lead: 0 };
  });
  const longest = Math.max(...pieces.map(({ start, end, lead }) => lead + end - start));
  if (longest > limit) {
    throw new KvDistillError("context-too-long", "a fold, with what stands in front of the span, is too long", {
      where,
      expected: `at most ${limit} tokens`,
      got: String(longest),
      hint: `make the folds shorter (--fold-tokens, paper: ${FOLD_TOKENS})`,
    });
  }
  const rows = tokens - length + count;
  if (rows >= limit) {
    throw new KvDistillError("context-too-long", "the compressed cache alone would fill the model", {
      where,
      expected: `fewer than ${limit} rows`,
      got: String(rows),
      hint: "keep less of it",
    });
  }
  // Rows that a head may keep beyond the mean, shared among the pieces by length: as one running sum, so that none is given twice.
  const spare = (done: number): number => Math.floor(((limit - 1 - rows) * done) / span.end);
  return {
    pieces: pieces.map((piece) => ({ ...piece, most: piece.count + spare(piece.end) - spare(piece.start) })),
    rows,
    beyondTraining: tokens > limit,
  };
}

function checkSpan({ start, end }: Span, tokens: number): void {
  if (Number.isInteger(start) && Number.isInteger(end) && start >= 0 && start < end && end <= tokens) return;
  throw new KvDistillError("bad-argument", "the span to compress does not lie inside the context", {
    where: "span",
    expected: `at least one token, from 0 to ${tokens}`,
    got: `${start}:${end}`,
  });
}

function checkLength(tokens: number, limit: number, where: string): void {
  if (tokens <= limit) return;
  throw new KvDistillError("context-too-long", "the context is longer than the model reads", {
    where,
    expected: `at most ${limit} tokens`,
    got: String(tokens),
    hint: "compress it fold by fold (--fold)",
  });
}

import type { ModelConfig } from "../../models/config.ts";
import { type AskedQuestion, tokensNeeded } from "./question.ts";

/** Of caches and logits that are held at once while questions are read. */
const MOST_BYTES = 2 ** 30;

/**
 * Of caches of at most so many rows, question and answer included, reading the weights is what a step costs, so that more of them share it: padding
 * costs little (docs/experiments/LOG.md, E31).
 */
export const SHORT_CACHE = 512;

/** Caches are read side by side when the shortest has, question and answer included, at least this part of the longest's rows. */
const LIKE_LENGTH = { short: 0.5, long: 0.7 };

/** What a question's place in a batch depends on. */
type SizedQuestion = Pick<AskedQuestion, "sample" | "questionIds" | "answerIds">;

export interface BatchLimits<T> {
  /** Rows that a condition's cache has, mean over its heads. */
  readonly rowsOf: (condition: T) => number;
  /** Only conditions of one family are read side by side; left out: all are. */
  readonly familyOf?: (condition: T) => string;
  /** The cache that a condition reads, held once for all that read it; left out: each has its own. */
  readonly cacheOf?: (condition: T) => unknown;
  /** Whether a condition has a cache for each question; left out: none has. */
  readonly isQuestionAware?: (condition: T) => boolean;
  readonly config: Pick<ModelConfig, "numLayers" | "numKvHeads" | "headDim" | "vocabSize">;
  readonly maxNewTokens: number;
  readonly mostBytes?: number;
}

/**
 * Cuts a passage's conditions, those with most rows first, into parts of one family and like length, each small enough for its caches to answer a question
 * side by side, and its questions, short ones first, into batches for each part. It depends on sizes alone, never on what is left to do: how
 * many are read together shifts logits in the last digits, and a resumed run must give what the straight run gives.
 */
export function partsOf<T, Q extends SizedQuestion>(
  conditions: readonly T[],
  questions: readonly Q[],
  limits: BatchLimits<T>,
): { readonly conditions: readonly T[]; readonly batches: readonly (readonly Q[])[] }[] {
  const { rowsOf, familyOf = () => "", maxNewTokens } = limits;
  const longest = Math.max(0, ...questions.map((one) => tokensNeeded(one, maxNewTokens)));
  const parts: T[][] = [];
  for (const condition of [...conditions].sort((a, b) => rowsOf(b) - rowsOf(a))) {
    const last = parts.findLast(([first]) => first !== undefined && familyOf(first) === familyOf(condition)) ?? [];
    const together = [...last, condition];
    // Shorter caches are padded to the longest.
    const rows = mostRows(together, limits);
    const like = rows + longest <= SHORT_CACHE ? LIKE_LENGTH.short : LIKE_LENGTH.long;
    const alike = rowsOf(condition) + longest >= like * (rows + longest);
    const fits = questions.every((one) => bytesOf(together, [one], limits) <= mostBytes(limits));
    if (last.length > 0 && alike && fits) last.push(condition);
    else parts.push([condition]);
  }
  return parts.map((part) => ({ conditions: part, batches: batchesOf(part, questions, limits) }));
}

function batchesOf<T, Q extends SizedQuestion>(
  part: readonly T[],
  questions: readonly Q[],
  limits: BatchLimits<T>,
): Q[][] {
  const length = ({ questionIds, answerIds }: Q): number => questionIds.length + answerIds.length;
  const batches: Q[][] = [];
  for (const question of [...questions].sort((a, b) => length(a) - length(b) || a.sample - b.sample)) {
    const last = batches.at(-1);
    if (last !== undefined && bytesOf(part, [...last, question], limits) <= mostBytes(limits)) last.push(question);
    else batches.push([question]);
  }
  return batches;
}

function mostBytes({ mostBytes: most = MOST_BYTES }: Pick<BatchLimits<never>, "mostBytes">): number {
  return most;
}

function mostRows<T>(conditions: readonly T[], { rowsOf }: Pick<BatchLimits<T>, "rowsOf">): number {
  return Math.max(...conditions.map(rowsOf));
}

/** Of questions on the caches of conditions: a cache is held once, what is read on it and the logits of gold answers for each question. */
function bytesOf<T>(conditions: readonly T[], questions: readonly SizedQuestion[], limits: BatchLimits<T>): number {
  const { config, maxNewTokens, isQuestionAware = () => false } = limits;
  const row = 4 * 2 * config.numLayers * config.numKvHeads * config.headDim;
  const read = Math.max(...questions.map((one) => tokensNeeded(one, maxNewTokens)));
  const gold = Math.max(...questions.map(({ answerIds }) => answerIds.length));
  const askings = questions.length * (read * row + 4 * gold * config.vocabSize);
  const cache = mostRows(conditions, limits) * row;
  const cacheBytes = (own: T): number => cache * (isQuestionAware(own) ? questions.length : 1);
  return distinctCaches(conditions, limits).reduce((sum, own) => sum + askings + cacheBytes(own), 0);
}

/** One condition for each cache. */
function distinctCaches<T>(conditions: readonly T[], { cacheOf }: Pick<BatchLimits<T>, "cacheOf">): readonly T[] {
  if (cacheOf === undefined) return conditions;
  const caches = conditions.map(cacheOf);
  return conditions.filter((_, i) => caches.indexOf(caches[i]) === i);
}

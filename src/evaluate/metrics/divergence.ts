import { argmax, logSumExp } from "../../generate/sample.ts";
import { KvDistillError } from "../../util/errors.ts";

/** How one cache predicts a gold answer, beside the full cache. */
export interface Divergence {
  /** KL(full ‖ cache) in nats, mean over the answer's tokens, the one that ends it included. */
  readonly forwardKl: number;
  /** Share of those tokens at which both hold the same token likeliest. */
  readonly top1: number;
  /** Negative log likelihood of the gold tokens by the cache, in nats, mean. */
  readonly answerNll: number;
}

/** What the full cache predicts at one token of an answer. */
export interface Prediction {
  readonly logits: Float32Array;
  readonly logSumExp: number;
  readonly likeliest: number;
  readonly probabilities: Float64Array;
}

/** What the full cache predicts at one answer, token by token. */
export type Teacher = readonly Prediction[];

export function teacherOf(logits: readonly Float32Array[]): Teacher {
  return logits.map((row) => {
    const total = logSumExp(row);
    const probabilities = Float64Array.from(row, (logit) => Math.exp(logit - total));
    // A copy: the row may be part of an array that many others share, which would be held as long.
    return { logits: row.slice(), logSumExp: total, likeliest: argmax(row), probabilities };
  });
}

/**
 * Compares predictions at the tokens of an answer.
 * @param logits of the cache, [vocabulary] for each token of `answerIds`
 * @throws KvDistillError `not-finite` when the logits are not numbers; `shape-mismatch` for rows that do not pair up
 */
export function divergence(
  teacher: Teacher,
  logits: readonly Float32Array[],
  answerIds: readonly number[],
): Divergence {
  if (answerIds.length === 0 || logits.length !== answerIds.length || teacher.length !== answerIds.length) {
    throw new KvDistillError("shape-mismatch", "predictions do not fit the answer", {
      expected: `${answerIds.length} rows, at least 1`,
      got: `${teacher.length} and ${logits.length}`,
    });
  }
  let kl = 0;
  let same = 0;
  let nll = 0;
  logits.forEach((row, i) => {
    const own = teacher[i];
    if (own === undefined) return;
    const total = logSumExp(row);
    kl += forwardKl(own, row, total);
    if (own.likeliest === argmax(row)) same++;
    nll += total - (row[answerIds[i] ?? 0] ?? NaN);
  });
  if (!Number.isFinite(kl) || !Number.isFinite(nll)) {
    throw new KvDistillError("not-finite", "the model's logits are not numbers");
  }
  const count = answerIds.length;
  return { forwardKl: kl / count, top1: same / count, answerNll: nll / count };
}

/** By itself for speed: a sum that a closure adds to is a new object after every term. */
function forwardKl({ logits, logSumExp: whole, probabilities }: Prediction, row: Float32Array, total: number): number {
  let sum = 0;
  for (let id = 0; id < row.length; id++) {
    const log = (logits[id] ?? NaN) - whole;
    sum += (probabilities[id] ?? 0) * (log - ((row[id] ?? NaN) - total));
  }
  return sum;
}

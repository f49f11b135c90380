import { KvDistillError } from "../util/errors.ts";
import { MASKED } from "../models/reading-bias.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";

/** One tokenised question with the answer that the loss sits on. */
export interface TrainingTurn {
  readonly questionIds: readonly number[];
  readonly answerIds: readonly number[];
  /** A question unless said otherwise; the scorer is not to learn what a reconstruction attends to. */
  readonly kind?: "question" | "reconstruction";
}

/** One tokenised context and what is asked of it. */
export interface TrainingPassage {
  readonly contextIds: readonly number[];
  readonly turns: readonly TrainingTurn[];
}

/** Passages as arrays: contexts padded at the end; the turns of a passage in one row, each blind to the others. */
export interface TrainingBatch {
  readonly batch: number;
  /** S: the longest context. */
  readonly contextWidth: number;
  /** R: the longest row of turns. */
  readonly readerWidth: number;
  readonly contextLengths: readonly number[];
  /** [B · S] and [B · R], padded with token 0. */
  readonly contextIds: readonly number[];
  readonly readerIds: readonly number[];
  /** Positions of the tokens above: each turn continues where its context ends (METHOD section 4). */
  readonly contextPositions: readonly number[];
  readonly readerPositions: readonly number[];
  /** [B · R]: which turn a reader token belongs to, -1 for padding. */
  readonly readerTurns: readonly number[];
  /** [B · R]: 1 for the tokens of questions and their answers, 0 for reconstructions and padding. */
  readonly probing: Float32Array<ArrayBuffer>;
  /** [B]: the passage's part of all turns of the optimiser step. */
  readonly passageWeights: readonly number[];
  /** Rows of the flattened reader that predict answer tokens, and what each weighs in the loss. */
  readonly answerRows: readonly number[];
  readonly answerWeights: readonly number[];
  /** Tokens that are not padding. */
  readonly tokens: number;
}

/**
 * Lays out passages. The model reads question + answer without its last token; the loss is the mean over an answer's tokens, then over
 * `turnCount` turns: all turns of the optimiser step, so that micro-batches add up to the whole.
 * @throws KvDistillError `bad-argument` for an empty context, question or answer.
 */
export function layOut(passages: readonly TrainingPassage[], turnCount: number): TrainingBatch {
  passages.forEach(checkPassage);
  const readerRow = (passage: TrainingPassage): readonly number[][] =>
    passage.turns.map(({ questionIds, answerIds }) => [...questionIds, ...answerIds.slice(0, -1)]);
  const rows = passages.map(readerRow);
  const contextLengths = passages.map(({ contextIds }) => contextIds.length);
  const contextWidth = Math.max(...contextLengths);
  const readerWidth = Math.max(...rows.map((turns) => turns.flat().length));
  const answerRows: number[] = [];
  const answerWeights: number[] = [];
  const readerIds: number[] = [];
  const readerPositions: number[] = [];
  const readerTurns: number[] = [];
  const probing = new Float32Array(passages.length * readerWidth);
  passages.forEach((passage, b) => {
    let column = 0;
    passage.turns.forEach(({ questionIds, answerIds, kind }, turn) => {
      const ids = rows[b]?.[turn] ?? [];
      ids.forEach((id, i) => {
        readerIds.push(id);
        readerPositions.push(passage.contextIds.length + i);
        readerTurns.push(turn);
      });
      answerIds.forEach((_, i) => {
        answerRows.push(b * readerWidth + column + questionIds.length - 1 + i);
        answerWeights.push(1 / answerIds.length / turnCount);
      });
      const row = b * readerWidth + column;
      if (kind !== "reconstruction") probing.fill(1, row, row + ids.length);
      column += ids.length;
    });
    for (; column < readerWidth; column++) {
      readerIds.push(0);
      readerPositions.push(passage.contextIds.length);
      readerTurns.push(-1);
    }
  });
  return {
    batch: passages.length,
    contextWidth,
    readerWidth,
    contextLengths,
    contextIds: passages.flatMap(({ contextIds }) => [...contextIds, ...zeros(contextWidth - contextIds.length)]),
    contextPositions: passages.flatMap(() => Array.from({ length: contextWidth }, (_, i) => i)),
    readerIds,
    readerPositions,
    readerTurns,
    probing,
    passageWeights: passages.map(({ turns }) => turns.length / turnCount),
    answerRows,
    answerWeights,
    tokens: contextLengths.reduce((a, b) => a + b, 0) + rows.flat(2).length,
  };
}

const zeros = (length: number): number[] => new Array<number>(length).fill(0);

function checkPassage({ contextIds, turns }: TrainingPassage, index: number): void {
  const empty =
    contextIds.length === 0 ||
    turns.length === 0 ||
    turns.some((turn) => turn.questionIds.length === 0 || turn.answerIds.length === 0);
  if (empty) {
    throw new KvDistillError(
      "bad-argument",
      "a passage needs a context and, for every turn, a question and an answer",
      {
        where: `passage ${index} of the batch`,
      },
    );
  }
}

/** Causal bias of the contexts, [1, 1, S, S]. */
export function contextBias(width: number): Tensor<"float32"> {
  const bias = new Float32Array(width * width);
  for (let row = 0; row < width; row++) bias.fill(MASKED, row * width + row + 1, (row + 1) * width);
  return tensor("float32", [1, 1, width, width], bias);
}

/**
 * Bias of the reader, [B, 1, R, K + R]: the first `live[b]` cache rows, then the tokens of the same turn up to itself. Padding sees itself
 * only, so that no row is masked as a whole.
 */
export function readerBias(
  { batch, readerWidth, readerTurns }: TrainingBatch,
  live: readonly number[],
  rows: number,
): Tensor<"float32"> {
  const width = rows + readerWidth;
  const bias = new Float32Array(batch * readerWidth * width).fill(MASKED);
  for (let b = 0; b < batch; b++) {
    for (let t = 0; t < readerWidth; t++) {
      const start = (b * readerWidth + t) * width;
      const turn = readerTurns[b * readerWidth + t] ?? -1;
      if (turn < 0) {
        bias[start + rows + t] = 0;
        continue;
      }
      bias.fill(0, start, start + (live[b] ?? 0));
      for (let seen = t; seen >= 0 && readerTurns[b * readerWidth + seen] === turn; seen--)
        bias[start + rows + seen] = 0;
    }
  }
  return tensor("float32", [batch, 1, readerWidth, width], bias);
}

import { KvDistillError } from "../util/errors.ts";
import type { Random } from "../util/random.ts";
import { likeliestFirst } from "./likeliest-first.ts";

export interface Sampling {
  /** 0 takes the likeliest token. */
  readonly temperature: number;
  /** The smallest set of likeliest tokens with at least this probability in all; 1 for every token. */
  readonly topP: number;
}

export const GREEDY: Sampling = { temperature: 0, topP: 1 };

/** Chooses a token id from logits [vocabulary]; of equal ones the lowest. */
export function sampleToken(logits: Float32Array, { temperature, topP }: Sampling, random: Random): number {
  if (temperature === 0) return argmax(logits);
  const top = logits[argmax(logits)] ?? 0;
  const weights = weightsFor(logits.length);
  let total = 0;
  for (let id = 0; id < logits.length; id++) {
    const weight = Math.exp(((logits[id] ?? 0) - top) / temperature);
    weights[id] = weight;
    total += weight;
  }
  if (topP === 1) return drawn(weights, weights.keys(), random.uniform() * total);
  const ids: number[] = [];
  let share = 0;
  for (const id of likeliestFirst(weights)) {
    ids.push(id);
    share += weights[id] ?? 0;
    if (share >= topP * total) break;
  }
  return drawn(weights, ids, random.uniform() * share);
}

let scratch = new Float64Array();

/** Room for as many weights, the same at every call: a new one for every token would have the collector at work all the time. */
function weightsFor(count: number): Float64Array {
  if (scratch.length !== count) scratch = new Float64Array(count);
  return scratch;
}

/** The id at which a sum of weights is passed; for rounding's sake the last one otherwise. */
function drawn(weights: Float64Array, ids: Iterable<number>, sum: number): number {
  let left = sum;
  let last = 0;
  for (const id of ids) {
    left -= weights[id] ?? 0;
    if (left < 0) return id;
    last = id;
  }
  return last;
}

/** @param logit of a token that was chosen @throws KvDistillError `not-finite` */
export function checkLogit(logit: number | undefined): void {
  if (!Number.isFinite(logit)) throw new KvDistillError("not-finite", "the model's logits are not numbers");
}

export function argmax(values: Float32Array | Float64Array): number {
  let best = 0;
  let most = values[0] ?? -Infinity;
  for (let i = 1; i < values.length; i++) {
    const value = values[i] ?? -Infinity;
    if (value > most) {
      best = i;
      most = value;
    }
  }
  return best;
}

/** log of the sum of exponentials of one row of logits, in float64; NaN when a logit is. */
export function logSumExp(logits: Float32Array): number {
  let top = -Infinity;
  for (const logit of logits) if (logit > top) top = logit;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - top);
  return top + Math.log(sum);
}

/** log softmax of one row of logits, in float64. */
export function logProbabilities(logits: Float32Array): Float64Array {
  const total = logSumExp(logits);
  const all = new Float64Array(logits.length);
  for (let id = 0; id < logits.length; id++) all[id] = (logits[id] ?? NaN) - total;
  return all;
}

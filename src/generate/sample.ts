import type { Random } from "../util/random.ts";

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
  const weights = Float64Array.from(logits, (logit) => Math.exp((logit - top) / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const order = Array.from(weights.keys()).sort((a, b) => (weights[b] ?? 0) - (weights[a] ?? 0) || a - b);
  let nucleus = 0;
  let size = 0;
  while (size < order.length && nucleus < topP * total) nucleus += weights[order[size++] ?? 0] ?? 0;
  let left = random.uniform() * nucleus;
  for (const id of order.slice(0, size)) {
    left -= weights[id] ?? 0;
    if (left < 0) return id;
  }
  return order[size - 1] ?? 0;
}

export function argmax(values: Float32Array | Float64Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if ((values[i] ?? -Infinity) > (values[best] ?? -Infinity)) best = i;
  return best;
}

/** log softmax of one row of logits, in float64. */
export function logProbabilities(logits: Float32Array): Float64Array {
  let top = -Infinity;
  for (const logit of logits) top = Math.max(top, logit);
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - top);
  const total = top + Math.log(sum);
  return Float64Array.from(logits, (logit) => logit - total);
}

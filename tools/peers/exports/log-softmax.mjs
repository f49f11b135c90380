/** Natural logarithms of probabilities from logits, summed in float64. */
export function logSoftmax(logits) {
  let top = -Infinity;
  for (const logit of logits) if (logit > top) top = logit;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - top);
  const shift = top + Math.log(sum);
  return logits.map((logit) => logit - shift);
}

import type { AdapterSelection } from "../cache/adapter.ts";

/** Attention below this counts as none: keeps the logarithm finite. */
const LEAST_ATTENTION = 1e-6;
/** Score of an average token: its gate is σ(3) = 0.95, near 1 (METHOD section 1). Adding the same to every score selects the same. */
const MEAN_SCORE = 3;

/**
 * What a scorer should say of a context whose tokens receive this much attention: the logarithm, standardised over the context within each
 * head (the logarithmic scores of KVzap, arXiv 2601.07891). Only the order within a head decides what is kept, so nothing is lost by
 * that, and heads can be averaged for a shared selection.
 * @param heads for every layer and kv head, layer · numKvHeads + head, the largest attention that each token receives
 * @returns [tokens, columns]
 */
export function attentionTargets(heads: readonly Float32Array[], selection: AdapterSelection): Float32Array {
  const tokens = heads[0]?.length ?? 0;
  const columns = selection === "shared" ? 1 : heads.length;
  const targets = new Float32Array(tokens * columns).fill(MEAN_SCORE);
  heads.forEach((attention, head) => {
    standardised(attention.map((value) => Math.log(Math.max(value, LEAST_ATTENTION)))).forEach((value, token) => {
      const at = columns === 1 ? token : token * columns + head;
      targets[at] = (targets[at] ?? 0) + (columns === 1 ? value / heads.length : value);
    });
  });
  return targets;
}

/** Mean 0, variance 1. */
function standardised(values: Float32Array): Float32Array {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  const deviation = Math.sqrt(variance) || 1;
  return values.map((value) => (value - mean) / deviation);
}

import type { AdapterSelection } from "../cache/adapter.ts";

/** Attention below this counts as none: keeps the logarithm finite. */
const LEAST_ATTENTION = 1e-6;
/** Score of an average token: its gate is σ(3) = 0.95, near 1 (METHOD section 1). Adding the same to every score selects the same. */
const MEAN_SCORE = 3;

/**
 * What a scorer should say of a context whose tokens receive this much attention: the logarithm (the scores of KVzap, arXiv 2601.07891),
 * standardised over the context. Where only the order within a head decides what is kept, each head is standardised for itself, and heads can
 * be averaged for a shared selection; heads that share a budget are standardised together, so that what tells them apart is left.
 * @param heads for every layer and kv head, layer · numKvHeads + head, the largest attention that each token receives
 * @returns [tokens, columns]
 */
export function attentionTargets(heads: readonly Float32Array[], selection: AdapterSelection): Float32Array {
  const tokens = heads[0]?.length ?? 0;
  const columns = selection === "shared" ? 1 : heads.length;
  const targets = new Float32Array(tokens * columns).fill(MEAN_SCORE);
  const logs = heads.map((attention) => attention.map((value) => Math.log(Math.max(value, LEAST_ATTENTION))));
  const together = selection === "across-heads" ? spreadOf(logs) : undefined;
  logs.forEach((own, head) => {
    const { mean, deviation } = together ?? spreadOf([own]);
    own.forEach((log, token) => {
      const value = (log - mean) / deviation;
      const at = columns === 1 ? token : token * columns + head;
      targets[at] = (targets[at] ?? 0) + (columns === 1 ? value / heads.length : value);
    });
  });
  return targets;
}

function spreadOf(rows: readonly Float32Array[]): { readonly mean: number; readonly deviation: number } {
  const sum = (of: (value: number) => number): number =>
    rows.reduce((all, row) => all + row.reduce((own, value) => own + of(value), 0), 0);
  const count = sum(() => 1);
  const mean = sum((value) => value) / count;
  return { mean, deviation: Math.sqrt(sum((value) => (value - mean) ** 2) / count) || 1 };
}

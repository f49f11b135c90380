import { probeAttention } from "../../compress/probe-attention.ts";
import type { AdapterSelection } from "../../cache/adapter.ts";
import type { LanguageModel } from "../../models/language-model.ts";

/** What the scorer is to learn from one context. */
export interface ScorerSample {
  /** Residual stream after η blocks, [tokens, hidden]. */
  readonly hidden: Float32Array;
  /** [tokens, columns] */
  readonly targets: Float32Array;
}

export interface ScorerSampleRequest {
  readonly contextIds: readonly number[];
  /** Texts that are read after the context, each on its own. */
  readonly probes: readonly (readonly number[])[];
  readonly eta: number;
  readonly selection: AdapterSelection;
  readonly signal?: AbortSignal;
}

/** Attention below this counts as none: keeps the logarithm finite. */
const LEAST_ATTENTION = 1e-6;

/**
 * A context with targets for the scorer: the logarithm of the largest attention that each token receives from the probes, standardised
 * over the context within each layer and kv head (KVzip's score, arXiv 2505.23416, in KVzap's logarithmic form, arXiv 2601.07891). Only the
 * order within a head decides what is kept, so nothing is lost by that, and heads can be averaged for a shared selection.
 * @throws KvDistillError as `LanguageModel.forward` does.
 */
export async function scorerSample(
  model: LanguageModel,
  { contextIds, probes, eta, selection, signal }: ScorerSampleRequest,
): Promise<ScorerSample> {
  const { data: hidden } = await model.hiddenAfter(eta, contextIds, signal === undefined ? {} : { signal });
  const attention = await probeAttention(model, contextIds, probes, signal);
  const tokens = contextIds.length;
  const heads = attention.flatMap((layer) =>
    Array.from({ length: model.config.numKvHeads }, (_, head) =>
      standardised(
        layer.subarray(head * tokens, (head + 1) * tokens).map((value) => Math.log(Math.max(value, LEAST_ATTENTION))),
      ),
    ),
  );
  const columns = selection === "shared" ? 1 : heads.length;
  const targets = new Float32Array(tokens * columns);
  heads.forEach((own, head) => {
    own.forEach((value, token) => {
      if (columns === 1) targets[token] = (targets[token] ?? 0) + value / heads.length;
      else targets[token * columns + head] = value;
    });
  });
  return { hidden, targets };
}

/** Mean 0, variance 1. */
function standardised(values: Float32Array): Float32Array {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  const deviation = Math.sqrt(variance) || 1;
  return values.map((value) => (value - mean) / deviation);
}

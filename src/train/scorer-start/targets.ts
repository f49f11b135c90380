import type { AdapterSelection } from "../../cache/adapter.ts";
import { type Folding, folds } from "../../compress/fold.ts";
import { probeAttention } from "../../compress/probe-attention.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import { attentionTargets } from "../attention-targets.ts";

/** What the scorer is to learn from one context. */
export interface ScorerSample {
  /** Residual stream after η blocks, [tokens, hidden]. */
  readonly hidden: Float32Array;
  /** [tokens, columns] */
  readonly targets: Float32Array;
}

export interface ScorerSampleRequest extends Folding {
  readonly contextIds: readonly number[];
  /** Texts that are read after the context, each on its own. */
  readonly probes: readonly (readonly number[])[];
  readonly eta: number;
  readonly selection: AdapterSelection;
  readonly sinks: number;
}

/**
 * A context with targets for the scorer: what the probes attend to.
 * @throws KvDistillError as `LanguageModel.forward` does.
 */
export async function scorerSample(
  model: LanguageModel,
  { contextIds, probes, eta, selection, sinks, ...folding }: ScorerSampleRequest,
): Promise<ScorerSample> {
  const { hiddenSize } = model.config;
  const hidden = new Float32Array(contextIds.length * hiddenSize);
  // The scorer sees a fold by itself, the probes all of the context.
  for (const { start, end, lead } of folds(contextIds.length, contextIds.length, sinks, folding)) {
    const ids = [...contextIds.slice(0, lead), ...contextIds.slice(start, end)];
    const { data } = await model.hiddenAfter(eta, ids, { position: start - lead });
    hidden.set(data.subarray(lead * hiddenSize), start * hiddenSize);
  }
  const attention = await probeAttention(model, contextIds, probes);
  const tokens = contextIds.length;
  const heads = attention.flatMap((layer) =>
    Array.from({ length: model.config.numKvHeads }, (_, head) => layer.subarray(head * tokens, (head + 1) * tokens)),
  );
  return { hidden, targets: attentionTargets(heads, selection) };
}

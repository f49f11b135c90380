import type { LanguageModel } from "../models/language-model.ts";

/**
 * How much the tokens of a context are looked at: the largest attention that each receives from any of the probes, for every layer
 * [kvHeads, tokens]. A probe is a text that is read after the context, on its own.
 * @throws KvDistillError as `LanguageModel.forward` does.
 */
export async function probeAttention(
  model: LanguageModel,
  contextIds: readonly number[],
  probes: readonly (readonly number[])[],
  signal?: AbortSignal,
): Promise<Float32Array[]> {
  const { numKvHeads } = model.config;
  const tokens = contextIds.length;
  const cache = await model.newCache();
  const largest = Array.from({ length: model.config.numLayers }, () => new Float32Array(numKvHeads * tokens));
  try {
    await model.forward({ ids: contextIds, cache, ...(signal === undefined ? {} : { signal }) });
    const { position } = cache;
    for (const probe of probes) {
      const received = await model.attentionReceived(probe, cache, "max", signal);
      cache.truncate(tokens, position);
      largest.forEach((own, layer) => {
        const rows = tokens + probe.length;
        for (let head = 0; head < numKvHeads; head++) {
          for (let i = 0; i < tokens; i++) {
            const at = head * tokens + i;
            own[at] = Math.max(own[at] ?? 0, received[layer]?.[head * rows + i] ?? 0);
          }
        }
      });
    }
    return largest;
  } finally {
    cache.release();
  }
}

import type { ModelConfig } from "../config.ts";
import { familyOf } from "../families/index.ts";

/**
 * Buffers that checkpoints carry and no model computes with: causal masks of old GPT-2 checkpoints and rotary
 * frequencies, which follow from the configuration.
 */
const BUFFER = /(^|\.)(attn\.bias|attn\.masked_bias|rotary_emb\.inv_freq)$/;

/**
 * A checkpoint's name of a weight in the spelling used here, or undefined when it is no weight of the model. Checkpoints of
 * bare models (the original GPT-2) lack the prefix that `…ForCausalLM` adds.
 */
export function canonicalName(name: string, config: ModelConfig): string | undefined {
  if (BUFFER.test(name)) return undefined;
  if (name === "lm_head.weight") return config.tieWordEmbeddings ? undefined : name;
  const prefix = familyOf(config).layerPath(0).replace(/\..*/, ".");
  return name.startsWith(prefix) ? name : prefix + name;
}

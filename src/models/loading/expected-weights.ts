import type { Gpt2Config, LlamaConfig, ModelConfig } from "../config.ts";

/** Every weight that a model of this configuration has, by canonical name, with its dims. */
export function expectedWeights(config: ModelConfig): Map<string, readonly number[]> {
  return config.family === "llama" ? llamaWeights(config) : gpt2Weights(config);
}

function llamaWeights(config: LlamaConfig): Map<string, readonly number[]> {
  const { hiddenSize: hidden, intermediateSize: inner, headDim, vocabSize } = config;
  const queries = config.numQueryHeads * headDim;
  const keys = config.numKvHeads * headDim;
  const weights = new Map<string, readonly number[]>([
    ["model.embed_tokens.weight", [vocabSize, hidden]],
    ["model.norm.weight", [hidden]],
  ]);
  if (!config.tieWordEmbeddings) weights.set("lm_head.weight", [vocabSize, hidden]);
  for (let layer = 0; layer < config.numLayers; layer++) {
    const add = (name: string, dims: readonly number[]) => weights.set(`model.layers.${layer}.${name}`, dims);
    add("input_layernorm.weight", [hidden]);
    add("post_attention_layernorm.weight", [hidden]);
    add("self_attn.q_proj.weight", [queries, hidden]);
    add("self_attn.k_proj.weight", [keys, hidden]);
    add("self_attn.v_proj.weight", [keys, hidden]);
    add("self_attn.o_proj.weight", [hidden, queries]);
    if (config.qkvBias) {
      add("self_attn.q_proj.bias", [queries]);
      add("self_attn.k_proj.bias", [keys]);
      add("self_attn.v_proj.bias", [keys]);
    }
    if (config.outputBias) add("self_attn.o_proj.bias", [hidden]);
    if (config.qkNorm) {
      add("self_attn.q_norm.weight", [headDim]);
      add("self_attn.k_norm.weight", [headDim]);
    }
    add("mlp.gate_proj.weight", [inner, hidden]);
    add("mlp.up_proj.weight", [inner, hidden]);
    add("mlp.down_proj.weight", [hidden, inner]);
  }
  return weights;
}

/** GPT-2 stores its matrices [in, out]. */
function gpt2Weights(config: Gpt2Config): Map<string, readonly number[]> {
  const { hiddenSize: hidden, intermediateSize: inner, vocabSize, maxPositions } = config;
  const weights = new Map<string, readonly number[]>([
    ["transformer.wte.weight", [vocabSize, hidden]],
    ["transformer.wpe.weight", [maxPositions, hidden]],
    ["transformer.ln_f.weight", [hidden]],
    ["transformer.ln_f.bias", [hidden]],
  ]);
  if (!config.tieWordEmbeddings) weights.set("lm_head.weight", [vocabSize, hidden]);
  for (let layer = 0; layer < config.numLayers; layer++) {
    const add = (name: string, weight: readonly number[], bias: readonly number[]) => {
      weights.set(`transformer.h.${layer}.${name}.weight`, weight);
      weights.set(`transformer.h.${layer}.${name}.bias`, bias);
    };
    add("ln_1", [hidden], [hidden]);
    add("ln_2", [hidden], [hidden]);
    add("attn.c_attn", [hidden, 3 * hidden], [3 * hidden]);
    add("attn.c_proj", [hidden, hidden], [hidden]);
    add("mlp.c_fc", [hidden, inner], [inner]);
    add("mlp.c_proj", [inner, hidden], [hidden]);
  }
  return weights;
}

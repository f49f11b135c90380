import { add, gather, gemm, mul, rmsNorm, rotaryEmbedding, weight } from "../../graph/build.ts";
import type { Node } from "../../graph/node.ts";
import { activate } from "../../nn/activation.ts";
import { linear } from "../../nn/linear.ts";
import { addLora } from "../../nn/lora.ts";
import type { LlamaConfig } from "../config.ts";
import { attend, headsAt } from "./attend.ts";
import type { BlockContext, BlockResult, Family } from "./family.ts";

/** Llama-like models: SmolLM2, Llama 2 and 3, Mistral, Qwen2 (biases), Qwen3 (query and key norms). */
export function llama(config: LlamaConfig): Family {
  const { hiddenSize, numQueryHeads, numKvHeads, headDim, vocabSize, normEpsilon } = config;
  const embedding = weight("model.embed_tokens.weight", [vocabSize, hiddenSize]);
  const output = config.tieWordEmbeddings ? embedding : weight("lm_head.weight", [vocabSize, hiddenSize]);
  const finalNorm = weight("model.norm.weight", [hiddenSize]);
  return {
    layerPath,
    adaptedModules: [
      { path: "self_attn.q_proj", inputs: hiddenSize, outputs: numQueryHeads * headDim },
      { path: "self_attn.k_proj", inputs: hiddenSize, outputs: numKvHeads * headDim },
      { path: "self_attn.v_proj", inputs: hiddenSize, outputs: numKvHeads * headDim },
      { path: "self_attn.o_proj", inputs: numQueryHeads * headDim, outputs: hiddenSize },
    ],
    fanInFanOut: false,
    embed: (ids) => gather(embedding, ids),
    block: (layer, x, context) => {
      const attended = attentionHalf(config, layer, x, context);
      return { ...attended, x: mlpHalf(config, layer, attended.x) };
    },
    head: (x) => gemm(rmsNorm(x, normEpsilon, finalNorm), output, { transB: true }),
  };
}

const layerPath = (layer: number): string => `model.layers.${layer}`;

function attentionHalf(config: LlamaConfig, layer: number, x: Node, context: BlockContext): BlockResult {
  const { hiddenSize, numQueryHeads, numKvHeads, headDim, normEpsilon } = config;
  const { adapter } = context;
  const path = layerPath(layer);
  const normed = rmsNorm(x, normEpsilon, weight(`${path}.input_layernorm.weight`, [hiddenSize]));
  const project = (module: "q" | "k" | "v", heads: number): Node => {
    const name = `self_attn.${module}_proj`;
    const spec = { name: `${path}.${name}`, inputs: hiddenSize, outputs: heads * headDim, bias: config.qkvBias };
    const frozen = linear(normed, spec);
    return headsAt(
      adapter === undefined
        ? frozen
        : addLora(normed, frozen, adapter.lora(name), module === "q" ? adapter.routed : adapter.strength),
      context,
      heads,
      headDim,
    );
  };
  const scale = (heads: Node, module: "q" | "k"): Node =>
    config.qkNorm ? rmsNorm(heads, normEpsilon, weight(`${path}.self_attn.${module}_norm.weight`, [headDim])) : heads;
  const rotate = (heads: Node): Node => rotaryEmbedding(heads, context.rotaryRows, context.cos, context.sin);
  const queries = scale(project("q", numQueryHeads), "q");
  const own = { keys: rotate(scale(project("k", numKvHeads), "k")), values: project("v", numKvHeads) };
  const { mixed, weights, swap } = attend(rotate(queries), own, context);
  const name = "self_attn.o_proj";
  const frozen = linear(mixed, {
    name: `${path}.${name}`,
    inputs: numQueryHeads * headDim,
    outputs: hiddenSize,
    bias: config.outputBias,
  });
  const projected = adapter === undefined ? frozen : addLora(mixed, frozen, adapter.lora(name), adapter.routed);
  return { x: add(x, projected), own, queries, attention: weights, swap };
}

function mlpHalf(config: LlamaConfig, layer: number, x: Node): Node {
  const { hiddenSize, intermediateSize, normEpsilon } = config;
  const path = layerPath(layer);
  const normed = rmsNorm(x, normEpsilon, weight(`${path}.post_attention_layernorm.weight`, [hiddenSize]));
  const widen = (name: string): Node =>
    linear(normed, {
      name: `${path}.mlp.${name}`,
      inputs: hiddenSize,
      outputs: intermediateSize,
      bias: false,
    });
  const inner = mul(activate(config.activation, widen("gate_proj")), widen("up_proj"));
  return add(
    x,
    linear(inner, {
      name: `${path}.mlp.down_proj`,
      inputs: intermediateSize,
      outputs: hiddenSize,
      bias: false,
    }),
  );
}

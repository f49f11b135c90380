import { add, gather, gemm, layerNorm, slice, weight } from "../../graph/build.ts";
import type { Node } from "../../graph/node.ts";
import { activate } from "../../nn/activation.ts";
import { linear } from "../../nn/linear.ts";
import { addLora, type Lora } from "../../nn/lora.ts";
import type { Gpt2Config } from "../config.ts";
import { attend, headsAt } from "./attend.ts";
import type { BlockContext, BlockResult, Family } from "./family.ts";

/** GPT-2: learned positions, layer norms, one fused map for queries, keys and values, matrices stored [in, out]. */
export function gpt2(config: Gpt2Config): Family {
  const { hiddenSize, vocabSize, maxPositions } = config;
  const embedding = weight("transformer.wte.weight", [vocabSize, hiddenSize]);
  const positionTable = weight("transformer.wpe.weight", [maxPositions, hiddenSize]);
  const output = config.tieWordEmbeddings ? embedding : weight("lm_head.weight", [vocabSize, hiddenSize]);
  const finalNorm = normOf(config, "transformer.ln_f");
  return {
    layerPath,
    adaptedModules: [
      { path: "attn.c_attn", inputs: hiddenSize, outputs: 3 * hiddenSize },
      { path: "attn.c_proj", inputs: hiddenSize, outputs: hiddenSize },
    ],
    fanInFanOut: true,
    embed: (ids, positions) => add(gather(embedding, ids), gather(positionTable, positions)),
    block: (layer, x, context) => {
      const attended = attentionHalf(config, layer, x, context);
      return { ...attended, x: mlpHalf(config, layer, attended.x) };
    },
    head: (x) => gemm(finalNorm(x), output, { transB: true }),
  };
}

const layerPath = (layer: number): string => `transformer.h.${layer}`;

/** A layer norm with the checkpoint's scale and bias. */
function normOf({ hiddenSize, normEpsilon }: Gpt2Config, name: string): (x: Node) => Node {
  const [scale, bias] = [weight(`${name}.weight`, [hiddenSize]), weight(`${name}.bias`, [hiddenSize])];
  return (x) => layerNorm(x, normEpsilon, scale, bias);
}

function attentionHalf(config: Gpt2Config, layer: number, x: Node, context: BlockContext): BlockResult {
  const { hiddenSize: width, numQueryHeads, headDim } = config;
  const { adapter } = context;
  const path = layerPath(layer);
  const normed = normOf(config, `${path}.ln_1`)(x);
  const fused = linear(normed, {
    name: `${path}.attn.c_attn`,
    inputs: width,
    outputs: 3 * width,
    bias: true,
    layout: "in-out",
  });
  // The fused map is adapted as three: its query part on routed tokens only, keys and values everywhere.
  const part = (index: 0 | 1 | 2): Node => {
    const [start, end] = [index * width, (index + 1) * width];
    const frozen = slice(fused, 1, start, end);
    if (adapter === undefined) return frozen;
    const lora: Lora = adapter.lora("attn.c_attn");
    return addLora(
      normed,
      frozen,
      { ...lora, b: slice(lora.b, 0, start, end) },
      index === 0 ? adapter.routed : adapter.strength,
    );
  };
  const heads = (x: Node): Node => headsAt(x, context, numQueryHeads, headDim);
  const own = { keys: heads(part(1)), values: heads(part(2)) };
  const queries = heads(part(0));
  const { mixed, weights, swap } = attend(queries, own, context);
  const frozen = linear(mixed, {
    name: `${path}.attn.c_proj`,
    inputs: width,
    outputs: width,
    bias: true,
    layout: "in-out",
  });
  const projected =
    adapter === undefined ? frozen : addLora(mixed, frozen, adapter.lora("attn.c_proj"), adapter.routed);
  return { x: add(x, projected), own, queries, attention: weights, swap };
}

function mlpHalf(config: Gpt2Config, layer: number, x: Node): Node {
  const { hiddenSize, intermediateSize } = config;
  const path = `${layerPath(layer)}.mlp`;
  const normed = normOf(config, `${layerPath(layer)}.ln_2`)(x);
  const map = (x: Node, name: string, inputs: number, outputs: number): Node =>
    linear(x, { name: `${path}.${name}`, inputs, outputs, bias: true, layout: "in-out" });
  return add(
    x,
    map(
      activate(config.activation, map(normed, "c_fc", hiddenSize, intermediateSize)),
      "c_proj",
      intermediateSize,
      hiddenSize,
    ),
  );
}

import { add, input, mul, reduceMax, reshape, slice } from "../../graph/build.ts";
import { addDims, type Dim, mulDims } from "../../graph/dims.ts";
import { defineGraph, type Graph } from "../../graph/graph.ts";
import type { Node } from "../../graph/node.ts";
import { splitBackward, type SplitGraphs } from "../../graph/gradient/split.ts";
import { gatherRows } from "../../nn/heads.ts";
import { type AdapterShape, loraInputs } from "../../models/adapter-inputs.ts";
import type { ModelConfig } from "../../models/config.ts";
import { type KeyValues, type Reach, writtenWeights } from "../../nn/attention.ts";
import type { BlockContext, BlockResult } from "../../models/families/family.ts";
import { familyOf } from "../../models/families/index.ts";

/**
 * Graphs of one layer for training. Training runs layer by layer, with the layer's weights fed as inputs: one graph serves every layer,
 * and what a layer needs for its backward pass is a plain list of tensors. Weights are named as those of layer 0.
 *
 * Symbols: B passages, S context tokens, R reader tokens (all questions of a passage, one after the other), K kept rows, N = B·S; E folds of F
 * tokens where contexts are encoded fold by fold, else E = B and F = S.
 */

/** Padding comes after a context, so causality alone hides it: one mask serves all passages. */
const causal = (tokens: Dim): readonly Dim[] => [1, 1, tokens, tokens];

type BlockInputs = Omit<BlockContext, "past" | "adapter" | "rotaryRows" | "sight"> & {
  readonly rotaryRows: Node<"Input">;
  readonly sight: Node;
};

/**
 * Inputs that every block takes besides x; sizes differ between context and reader. The rotary rows tell a graph the number of passages and
 * tokens, also where the model does not rotate.
 */
function blockInputs(config: ModelConfig, batch: Dim, tokens: Dim, biasShape: readonly Dim[]): BlockInputs {
  const tableShape: readonly Dim[] = [mulDims(batch, tokens), config.headDim / 2];
  return {
    batch,
    tokens,
    rotaryRows: input("rotaryRows", "int64", [batch, tokens]),
    cos: input("cos", "float32", tableShape),
    sin: input("sin", "float32", tableShape),
    sight: input("bias", "float32", biasShape),
  };
}

const hiddenInput = (config: ModelConfig, batch: Dim, tokens: Dim): Node =>
  input("x", "float32", [mulDims(batch, tokens), config.hiddenSize]);

/** ids, positions int64 [N] -> x [N, hidden]. */
export function embedGraph(config: ModelConfig): Graph {
  const x = familyOf(config).embed(input("ids", "int64", ["N"]), input("positions", "int64", ["N"]));
  return defineGraph("embed", { x });
}

/** How far the tokens of contexts see, for the fused kernel: to themselves. */
const contextReach = (batch: Dim): Reach => ({
  last: input("last", "int32", [batch]),
  total: input("total", "int32", [1]),
});

/**
 * The frozen model over the context: x -> x, keys, values [B, G, S, D]. The teacher's.
 * @param fused by the fused kernel, which takes `last` and `total` in the place of `bias`
 */
export function encodeFrozenGraph(config: ModelConfig, fused = false): Graph {
  const inputs = blockInputs(config, "B", "S", causal("S"));
  const sight = fused ? contextReach("B") : inputs.sight;
  const { x, own } = familyOf(config).block(0, hiddenInput(config, "B", "S"), { ...inputs, sight });
  return defineGraph("encode.frozen", { "x.out": x, keys: own.keys, values: own.values }, [inputs.rotaryRows]);
}

/**
 * The adapted model over the context with conditional computation, kept rows gathered and gated (METHOD sections 2 and 3):
 * x -> x.out, kept.keys, kept.values [B, G, K, D].
 * @param options.last leaves out the residual stream, which nothing reads after the last layer
 * @param options.fused the forward pass by the fused kernel; backward, attention is computed again as it is differentiated
 */
export function encodeAdaptedGraphs(
  config: ModelConfig,
  shape: AdapterShape,
  { last, fused = false }: { readonly last: boolean; readonly fused?: boolean },
): SplitGraphs {
  const x = hiddenInput(config, "E", "F");
  const lora = loraInputs(config, shape, "");
  const [routed, strength] = [input("routed", "float32", ["E*F", 1]), input("strength", "float32", ["E*F", 1])];
  const keptShape = ["B", config.numKvHeads, "K"];
  const kept = input("kept", "int64", keptShape);
  const gate = input("gate", "float32", keptShape);
  const inputs = blockInputs(config, "E", "F", causal("F"));
  const kernel = fused ? contextReach("E") : undefined;
  const block = familyOf(config).block(0, x, { ...inputs, kernel, adapter: { lora, routed, strength } });
  const outputs = {
    ...(last ? {} : { "x.out": block.x }),
    "kept.keys": mul(gatherRows(block.own.keys, kept), reshape(gate, [...keptShape, 1])),
    "kept.values": gatherRows(block.own.values, kept),
  };
  const matrices = familyOf(config).adaptedModules.flatMap(({ path }) => [
    [`${path}.lora_A`, lora(path).a] as const,
    [`${path}.lora_B`, lora(path).b] as const,
  ]);
  return splitBackward({
    name: "encode.adapted",
    outputs,
    wrt: { x, gate, ...Object.fromEntries(matrices) },
    forwardInstead: block.swap,
    shapeInputs: [inputs.rotaryRows],
  });
}

function readBlock(
  config: ModelConfig,
  ragged = false,
): { x: Node; past: KeyValues; inputs: BlockInputs; block: BlockResult } {
  const x = hiddenInput(config, "B", "R");
  const cacheShape = ["B", config.numKvHeads, "K", config.headDim];
  const past = {
    keys: input("past.keys", "float32", cacheShape),
    values: input("past.values", "float32", cacheShape),
  };
  const keys = addDims("K", "R");
  const inputs = blockInputs(config, "B", "R", ["B", 1, "R", keys]);
  const padding = input("padding", "float32", ["B", config.numKvHeads, 1, keys]);
  const sight = ragged ? add(inputs.sight, padding) : inputs.sight;
  return { x, past, inputs, block: familyOf(config).block(0, x, { ...inputs, past, sight }) };
}

/**
 * The frozen model over questions and answers on a full cache: x -> x.out; `observed` adds attention [B, G, K], the largest that each
 * cached token receives from the reader's tokens with `probing` [B, R] of 1.
 */
export function readTeacherGraph(config: ModelConfig, observed: boolean): Graph {
  const { block, inputs } = readBlock(config);
  const outputs: Record<string, Node> = { "x.out": block.x };
  if (observed) {
    const probing = reshape(input("probing", "float32", ["B", "R"]), ["B", 1, 1, "R", 1]);
    outputs.attention = reduceMax(mul(slice(writtenWeights(block.attention), -1, 0, "K"), probing), [2, 3]);
  }
  return defineGraph("read.teacher", outputs, [inputs.rotaryRows]);
}

/**
 * The frozen model over questions and answers on a given cache: x -> x.out; differentiable by x and the cache.
 * @param ragged heads have different numbers of rows: `padding` [B, G, 1, K + R] hides what is none
 */
export function readGraphs(config: ModelConfig, ragged = false): SplitGraphs {
  const { x, past, block } = readBlock(config, ragged);
  return splitBackward({
    name: "read",
    outputs: { "x.out": block.x },
    wrt: { x, "past.keys": past.keys, "past.values": past.values },
  });
}

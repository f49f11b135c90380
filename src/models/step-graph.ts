import {
  argMax,
  div,
  gather,
  input,
  matMul,
  mul,
  reduceMax,
  reduceSum,
  reshape,
  sub,
  transposeLast,
} from "../graph/build.ts";
import { addDims, type Dim, mulDims } from "../graph/dims.ts";
import { defineGraph, type Graph } from "../graph/graph.ts";
import type { Node } from "../graph/node.ts";
import { type BaseRows, writtenWeights } from "../nn/attention.ts";
import { KvDistillError } from "../util/errors.ts";
import { type AdapterShape, loraInputs } from "./adapter-inputs.ts";
import type { ModelConfig } from "./config.ts";
import type { BlockContext } from "./families/family.ts";
import { familyOf } from "./families/index.ts";

export type AttentionReduction = "sum" | "max";

/** How the rows lie that caches began with. */
export interface BaseShape {
  /** Heads have different numbers of rows: those of all heads lie one after the other. */
  readonly ragged: boolean;
  /** S sequences read on from each of C caches, and their tokens come without padding: N in all. */
  readonly shared: boolean;
}

/** Which parts of the model a step graph computes. */
export interface StepGraphOptions {
  /** Blocks from the first; all by default. */
  readonly layers?: number;
  /**
   * "logits" of the rows named by `logitRows`, "choices" = the likeliest token after each of them, "hidden" = the residual stream of every token, or
   * only keys and values.
   */
  readonly result: "logits" | "choices" | "hidden" | "none";
  readonly adapter?: AdapterShape;
  /** Also the attention that every key receives, reduced over the new tokens and the query heads of a group. */
  readonly attention?: AttentionReduction;
  /** That attention is shared among the keys that the input `among` names alone. */
  readonly among?: boolean;
  /** Also mean and scatter of the queries before the position encoding. */
  readonly queryStatistics?: boolean;
  /** For a cache with a base. Not with an adapter, `attention` or `queryStatistics`. */
  readonly base?: BaseShape;
  /** With the fused attention kernel: for many tokens of one sequence. Neither with `base` nor with `attention`. */
  readonly fused?: boolean;
}

const REDUCE = { sum: reduceSum, max: reduceMax } as const;

/**
 * One step of reading: T new tokens on top of P cached rows, in each of B sequences. Prefill, decoding and encoding are all this graph.
 *
 * Inputs: ids, positions int64 [B·T]; rotaryRows int64 [B,T], where each token stands among them; cos, sin [B·T, headDim/2]; bias [B,1,T,P+T],
 * or last int32 [B] and total int32 [1], as `Reach` has them, for fused attention; layers.{i}.past.keys/.values [B,G,P,D]; logitRows int64 [M];
 * with an adapter also routed, strength [B·T,1] and layers.{i}.<module>.lora_A/_B; with a base layers.{i}.base.keys [B,G,P_i,D+2] and
 * .values [B,G,P_i,D], of a ragged one [B,1,P_i,D+G+1] and [B,1,P_i,D], as `BaseRows` has them; among [P+T], 0 or 1; for query statistics counted [T,1], 0 or 1, and share [1,T],
 * its part of the ones.
 * With a shared base B is C·S, and C stands for it in the base; ids, positions, cos and sin are of N tokens, rotaryRows is [C,S,T], any token where
 * there is padding, and places int64 [N] says where each token stands among C·S·T.
 * Outputs: layers.{i}.keys/.values [B,G,T,D] of the new tokens; logits [M,V], or choices int64 [M] and tops [M], their logits, or hidden [B·T,E];
 * layers.{i}.attention [B,G,P+T];
 * layers.{i}.queryMean [B,H,1,D] and .queryScatter [B,H,D,D], the sum of outer products of what differs from the mean, of counted tokens.
 * @throws KvDistillError `unsupported` for options that do not go together
 */
export function stepGraph(
  config: ModelConfig,
  { layers = config.numLayers, result, adapter, attention, among, queryStatistics, base, fused }: StepGraphOptions,
): Graph {
  if (base !== undefined && (adapter !== undefined || attention !== undefined || queryStatistics === true)) {
    throw new KvDistillError("unsupported", "heads with different numbers of rows are read by the frozen model alone", {
      where: "base",
      hint: "compress from the text",
    });
  }
  const family = familyOf(config);
  const isShared = base?.shared === true;
  const [caches, seats]: [Dim, Dim] = isShared ? ["C", "S"] : ["B", 1];
  const batch = mulDims(caches, seats);
  const tokens: Dim = "T";
  const count = isShared ? "N" : mulDims(batch, tokens);
  const rotaryRows = input("rotaryRows", "int64", isShared ? [caches, seats, tokens] : [batch, tokens]);
  const keyCount = addDims("P", tokens);
  const cacheShape = [batch, config.numKvHeads, "P", config.headDim];
  const tableShape = [count, config.headDim / 2];
  const shared = {
    batch,
    tokens,
    rotaryRows: isShared ? reshape(rotaryRows, [batch, tokens]) : rotaryRows,
    ...(isShared ? { places: input("places", "int64", [count]) } : {}),
    cos: input("cos", "float32", tableShape),
    sin: input("sin", "float32", tableShape),
    sight:
      fused === true
        ? { last: input("last", "int32", [batch]), total: input("total", "int32", [1]) }
        : input("bias", "float32", [batch, 1, tokens, keyCount]),
  };
  const [routed, strength] = [input("routed", "float32", [count, 1]), input("strength", "float32", [count, 1])];
  const amongKeys = input("among", "float32", [keyCount]);
  const [share, counted] = [input("share", "float32", [1, tokens]), input("counted", "float32", [tokens, 1])];
  const outputs: Record<string, Node> = {};
  let x = family.embed(input("ids", "int64", [count]), input("positions", "int64", [count]));
  for (let layer = 0; layer < layers; layer++) {
    const prefix = `layers.${layer}.`;
    const context: BlockContext = {
      ...shared,
      past: {
        keys: input(`${prefix}past.keys`, "float32", cacheShape),
        values: input(`${prefix}past.values`, "float32", cacheShape),
      },
      ...(base === undefined ? {} : { base: baseInputs(config, layer, base, caches, seats) }),
      ...(adapter === undefined ? {} : { adapter: { lora: loraInputs(config, adapter, prefix), routed, strength } }),
    };
    const block = family.block(layer, x, context);
    x = block.x;
    outputs[`${prefix}keys`] = block.own.keys;
    outputs[`${prefix}values`] = block.own.values;
    if (attention !== undefined) {
      const written = writtenWeights(block.attention);
      const weights = among === true ? shareAmong(written, amongKeys) : written;
      outputs[`${prefix}attention`] = REDUCE[attention](weights, [2, 3]);
    }
    if (queryStatistics === true) {
      const mean = matMul(share, block.queries);
      const apart = mul(sub(block.queries, mean), counted);
      outputs[`${prefix}queryMean`] = mean;
      outputs[`${prefix}queryScatter`] = matMul(transposeLast(apart), apart);
    }
  }
  if (result === "hidden") outputs.hidden = x;
  if (result === "logits" || result === "choices") {
    const logits = family.head(gather(x, input("logitRows", "int64", ["M"])));
    Object.assign(
      outputs,
      result === "logits" ? { logits } : { choices: argMax(logits), tops: reduceMax(logits, [1]) },
    );
  }
  // Fused attention gives no input a shape with T; a model that does not rotate has no other.
  return defineGraph(`${config.family}.step.${result}`, outputs, fused === true ? [rotaryRows] : []);
}

/** What a layer of the caches began with. */
function baseInputs(
  { numKvHeads, headDim }: ModelConfig,
  layer: number,
  { ragged }: BaseShape,
  caches: Dim,
  seats: Dim,
): BaseRows {
  const prefix = `layers.${layer}.base.`;
  const shape = [caches, ragged ? 1 : numKvHeads, `P_${layer}`];
  return {
    keys: input(`${prefix}keys`, "float32", [...shape, baseKeyWidth({ numKvHeads, headDim }, ragged)]),
    values: input(`${prefix}values`, "float32", [...shape, headDim]),
    seats,
  };
}

/** Numbers of a key of a base: the key itself, what hides it, and one more (`nn/attention.ts`). */
export function baseKeyWidth(
  { numKvHeads, headDim }: Pick<ModelConfig, "numKvHeads" | "headDim">,
  ragged: boolean,
): number {
  return headDim + (ragged ? numKvHeads : 1) + 1;
}

/** Attention as it would be if the other keys were not there: they get none, the sum is 1 again. */
function shareAmong(weights: Node, among: Node): Node {
  const left = mul(weights, among);
  return div(left, reduceSum(left, [4], true));
}

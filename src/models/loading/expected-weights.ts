import { isOp } from "../../graph/node.ts";
import type { ModelConfig } from "../config.ts";
import { familyOf } from "../families/index.ts";
import { stepGraph } from "../step-graph.ts";

/**
 * Every weight that a model of this configuration has, by canonical name, with its dims: those that its graph computes with. All layers are alike,
 * so one is built.
 */
export function expectedWeights(config: ModelConfig): Map<string, readonly number[]> {
  const { layerPath } = familyOf(config);
  const first = `${layerPath(0)}.`;
  const weights = new Map<string, readonly number[]>();
  const inner: (readonly [string, readonly number[]])[] = [];
  for (const node of stepGraph(config, { layers: 1, result: "logits" }).nodes) {
    if (!isOp(node, "Weight")) continue;
    const { name } = node.attributes;
    const dims = node.shape.map(Number);
    if (name.startsWith(first)) inner.push([name.slice(first.length), dims]);
    else weights.set(name, dims);
  }
  for (let layer = 0; layer < config.numLayers; layer++) {
    for (const [name, dims] of inner) weights.set(`${layerPath(layer)}.${name}`, dims);
  }
  return weights;
}

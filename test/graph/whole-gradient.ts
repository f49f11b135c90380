import { input } from "../../src/graph/build.ts";
import { gradients } from "../../src/graph/gradient/reverse-mode.ts";
import { defineGraph, type Graph } from "../../src/graph/graph.ts";
import type { Node } from "../../src/graph/node.ts";

/** Reverse mode of a function as one graph. Inputs: `inputs` and `d.<output>`; outputs: `d.<key of wrt>`. */
export function wholeGradient(
  outputs: Readonly<Record<string, Node>>,
  wrt: Readonly<Record<string, Node>>,
  inputs: readonly Node<"Input">[] = defineGraph("forward", outputs).inputs,
): Graph {
  const seeds = Object.entries(outputs).map(([name, value]) => ({
    value,
    gradient: input(`d.${name}`, "float32", value.shape),
  }));
  const names = Object.keys(wrt).map((name) => `d.${name}`);
  const results = gradients(seeds, Object.values(wrt)).map((node, i) => [names[i] ?? "", node] as const);
  return defineGraph("gradient", Object.fromEntries(results), [...inputs, ...seeds.map(({ gradient }) => gradient)]);
}

import { input } from "../build.ts";
import { defineGraph, type Graph } from "../graph.ts";
import type { Node } from "../node.ts";
import type { OpName } from "../operators.ts";
import { substitute } from "../substitute.ts";
import { gradients } from "./reverse-mode.ts";

/** A function as two graphs: run `forward`, keep its `saved.*` outputs, feed them to `backward`. */
export interface SplitGraphs {
  readonly forward: Graph;
  /** Inputs: what it needs of the forward inputs, `saved.*`, and `d.<output>` for every seeded output. Outputs: `d.<input>`. */
  readonly backward: Graph;
  /** Names of the values carried from forward to backward. */
  readonly saved: readonly string[];
}

export interface SplitOptions {
  readonly name: string;
  readonly outputs: Readonly<Record<string, Node>>;
  /** Outputs through which gradients come back; all by default. */
  readonly seeded?: readonly string[];
  /** Leaves to differentiate by: names of inputs. */
  readonly wrt: Readonly<Record<string, Node>>;
  /**
   * Operators whose results are carried to the backward graph; everything else is computed again there from what is carried and from
   * the inputs. The default keeps projections (Gemm) and recomputes the cheap or quadratic rest (norms, activations, attention scores).
   */
  readonly save?: readonly OpName[];
}

export function splitBackward({
  name,
  outputs,
  wrt,
  seeded = Object.keys(outputs),
  save = ["Gemm"],
}: SplitOptions): SplitGraphs {
  const seeds = seeded.flatMap((key) => {
    const value = outputs[key];
    return value === undefined ? [] : [{ value, gradient: input(`d.${key}`, "float32", value.shape) }];
  });
  const forwardNodes = new Set(defineGraph(name, outputs).nodes);
  const wanted = gradients(seeds, Object.values(wrt));
  const saved = needed(wanted, (node) => forwardNodes.has(node) && save.includes(node.op));
  const savedInputs = saved.map((node, i) => input(`saved.${i}`, node.dtype, node.shape));
  const replaced = substitute(wanted, new Map(saved.map((node, i) => [node, savedInputs[i] ?? node])));
  const savedNames = saved.map((_, i) => `saved.${i}`);
  const wrtNames = Object.keys(wrt);
  return {
    forward: defineGraph(`${name}.forward`, {
      ...outputs,
      ...Object.fromEntries(saved.map((node, i) => [`saved.${i}`, node])),
    }),
    backward: defineGraph(
      `${name}.backward`,
      Object.fromEntries(replaced.map((node, i) => [`d.${wrtNames[i] ?? ""}`, node])),
    ),
    saved: savedNames,
  };
}

/** Nodes that satisfy `stop` and are reached from `roots` without passing through another such node. */
function needed(roots: readonly Node[], stop: (node: Node) => boolean): Node[] {
  const found = new Set<Node>();
  const seen = new Set<Node>();
  const stack = [...roots];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    if (stop(node)) found.add(node);
    else stack.push(...node.inputs);
  }
  return [...found].sort((a, b) => a.id - b.id);
}

import type { Graph } from "./graph-type.ts";
import { isOp, type Node } from "./node.ts";
import { symbolicSizes } from "./symbols.ts";
import { verify } from "./verify.ts";

export type { Graph } from "./graph-type.ts";

/**
 * Collects and verifies a graph.
 * @param shapeInputs inputs to keep though no output needs their elements: their shapes give symbols their values
 * @throws KvDistillError `invalid-graph` when a rule of the IR is broken.
 */
export function defineGraph(
  name: string,
  outputs: Readonly<Record<string, Node>>,
  shapeInputs: readonly Node<"Input">[] = [],
): Graph {
  const nodes = reachable([...Object.values(outputs), ...shapeInputs]);
  const inputs = nodes.filter((node) => isOp(node, "Input"));
  const weights = nodes.filter((node) => isOp(node, "Weight"));
  const graph = { name, nodes, inputs, weights, outputs, sizes: symbolicSizes(nodes) };
  verify(graph);
  return graph;
}

/** All nodes that `roots` depend on, themselves included, in topological order. */
export function reachable(roots: readonly Node[]): Node[] {
  const seen = new Set<Node>();
  const stack = [...roots];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    stack.push(...node.inputs);
  }
  return [...seen].sort((a, b) => a.id - b.id);
}

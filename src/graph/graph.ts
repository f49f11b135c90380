import { isOp, type Node } from "./node.ts";
import { verify } from "./verify.ts";

/** A computation: what its named outputs reach. Inputs and weights are found, not declared. */
export interface Graph {
  readonly name: string;
  /** In topological order. */
  readonly nodes: readonly Node[];
  readonly inputs: readonly Node<"Input">[];
  readonly weights: readonly Node<"Weight">[];
  readonly outputs: Readonly<Record<string, Node>>;
}

/**
 * Collects and verifies a graph.
 * @throws KvDistillError `invalid-graph` when a rule of the IR is broken.
 */
export function defineGraph(name: string, outputs: Readonly<Record<string, Node>>): Graph {
  const nodes = reachable(Object.values(outputs));
  const inputs = nodes.filter((node) => isOp(node, "Input"));
  const weights = nodes.filter((node) => isOp(node, "Weight"));
  const graph = { name, nodes, inputs, weights, outputs };
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

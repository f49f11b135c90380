import type { Graph } from "./graph-type.ts";
import type { Node } from "./node.ts";

/** Nodes by their place in the graph ("%0", "%1", …): the same in prints, faults and ONNX models, and stable across runs. */
export function nodeNumbers(graph: Pick<Graph, "nodes">): ReadonlyMap<Node, string> {
  return new Map(graph.nodes.map((node, i) => [node, `%${i}`]));
}

import type { Graph } from "./graph-type.ts";
import { printType } from "./infer/infer.ts";
import type { Node } from "./node.ts";
import { nodeNumbers } from "./numbering.ts";

/** The graph as text, stable across runs: one line a node, numbered in order. For inline snapshots and for reading. */
export function printGraph(graph: Graph): string {
  const numbers = nodeNumbers(graph);
  const name = (node: Node): string => numbers.get(node) ?? "%?";
  const lines = graph.nodes.map(
    (node) =>
      `  ${name(node)}:${printType(node)} = ${node.op}(${node.inputs.map(name).join(", ")})${printAttributes(node)}`,
  );
  const outputs = Object.entries(graph.outputs).map(([key, node]) => `${key}=${name(node)}`);
  return [`${graph.name} {`, ...lines, `  return ${outputs.join(", ")}`, "}"].join("\n");
}

function printAttributes(node: Node): string {
  const entries = Object.entries(node.attributes)
    .filter(([key]) => !(key === "type" || key === "dtype"))
    .map(([key, value]) => `${key}=${Array.isArray(value) ? `[${value.join(",")}]` : String(value)}`);
  return entries.length === 0 ? "" : ` {${entries.join(" ")}}`;
}

import { KvDistillError } from "../util/errors.ts";
import { sameShape, symbolsOf } from "./dims.ts";
import type { Graph } from "./graph.ts";
import { inferType, printType } from "./infer/infer.ts";
import type { Node } from "./node.ts";

/**
 * Checks what every pass must keep: inputs before use, types as inferred, names unique, every symbol of a shape given by an input.
 * @throws KvDistillError `invalid-graph`, all faults at once.
 */
export function verify(graph: Graph): void {
  const faults: string[] = [];
  const seen = new Set<Node>();
  for (const node of graph.nodes) {
    for (const input of node.inputs) {
      if (!seen.has(input)) faults.push(`%${node.id} ${node.op} uses %${input.id} before it is computed`);
    }
    const inferred = inferType(node.op, node.inputs, node.attributes);
    if (inferred.dtype !== node.dtype || !sameShape(inferred.shape, node.shape)) {
      faults.push(`%${node.id} ${node.op} is stored as ${printType(node)} but inferred as ${printType(inferred)}`);
    }
    seen.add(node);
  }
  const leaves = [...graph.inputs, ...graph.weights];
  const names = leaves.map((leaf) => leaf.attributes.name);
  for (const name of new Set(names)) {
    if (names.filter((other) => other === name).length > 1) faults.push(`two leaves are named "${name}"`);
  }
  for (const [name, output] of Object.entries(graph.outputs)) {
    if (names.includes(name)) faults.push(`output "${name}" has the name of an input`);
    if (!seen.has(output)) faults.push(`output "${name}" is not in the graph`);
  }
  // A symbol gets its value from an input that has it as a whole dimension.
  const given = new Set(
    graph.inputs.flatMap((node) => node.shape.filter((dim) => typeof dim === "string" && symbolsOf(dim)[0] === dim)),
  );
  const used = new Set(graph.nodes.flatMap((node) => node.shape.flatMap(symbolsOf)));
  for (const symbol of used) if (!given.has(symbol)) faults.push(`no input gives a value to the symbol "${symbol}"`);
  if (faults.length > 0)
    throw new KvDistillError("invalid-graph", "graph breaks rules of the IR", { where: graph.name, faults });
}

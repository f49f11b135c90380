import { isKvDistillError, KvDistillError } from "../util/errors.ts";
import { sameShape } from "./dims.ts";
import type { Graph } from "./graph-type.ts";
import { inferType, printType } from "./infer/infer.ts";
import type { Node } from "./node.ts";
import { nodeNumbers } from "./numbering.ts";
import { missingSymbols } from "./symbols.ts";

/**
 * Checks what every pass must keep: operands before use, types as inferred, names unique, every symbol given by an input.
 * @throws KvDistillError `invalid-graph`, all faults at once; nodes are numbered as printGraph numbers them.
 */
export function verify(graph: Graph): void {
  const faults = [...nodeFaults(graph), ...nameFaults(graph), ...symbolFaults(graph)];
  if (faults.length > 0) {
    throw new KvDistillError("invalid-graph", "graph breaks rules of the IR", { where: graph.name, faults });
  }
}

function nodeFaults(graph: Graph): string[] {
  const numbers = nodeNumbers(graph);
  const computed = new Set<Node>();
  return graph.nodes.flatMap((node) => {
    const name = `${numbers.get(node) ?? ""} ${node.op}`;
    const early = node.inputs.filter((input) => !computed.has(input));
    computed.add(node);
    return [
      ...early.map(
        (input) => `${name} uses ${numbers.get(input) ?? `${input.op} outside the graph`} before it is computed`,
      ),
      ...typeFaults(node).map((fault) => `${name} ${fault}`),
    ];
  });
}

function typeFaults(node: Node): string[] {
  try {
    const inferred = inferType(node.op, node.inputs, node.attributes);
    if (inferred.dtype === node.dtype && sameShape(inferred.shape, node.shape)) return [];
    return [`is stored as ${printType(node)} but inferred as ${printType(inferred)}`];
  } catch (error) {
    if (!isKvDistillError(error)) throw error;
    return [`does not take its inputs: ${error.message}`];
  }
}

function nameFaults(graph: Graph): string[] {
  const faults: string[] = [];
  const leaves = [...graph.inputs, ...graph.weights].map((leaf) => leaf.attributes.name);
  for (const name of new Set([...leaves, ...Object.keys(graph.outputs)])) {
    if (name === "" || name.startsWith("%")) faults.push(`"${name}" is no name: it is empty or starts with %`);
    if (leaves.filter((other) => other === name).length > 1) faults.push(`two leaves are named "${name}"`);
  }
  for (const [name, output] of Object.entries(graph.outputs)) {
    if (leaves.includes(name)) faults.push(`output "${name}" has the name of a leaf`);
    if (!graph.nodes.includes(output)) faults.push(`output "${name}" is not in the graph`);
  }
  return faults;
}

function symbolFaults(graph: Graph): string[] {
  const missing = missingSymbols(graph.sizes, graph.inputs);
  return missing.map((symbol) => `no input gives a value to the symbol "${symbol}"`);
}

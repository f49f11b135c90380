import type { Graph } from "../../graph/graph-type.ts";
import { defineGraph } from "../../graph/graph.ts";
import { apply, isOp, type Node } from "../../graph/node.ts";
import { add } from "../../graph/build.ts";
import { BLOCK_SIZE } from "./quantise.ts";

/** A matrix of the model that can be had in 4 or 8 bits. */
export interface MatrixSpec {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  /** The checkpoint has it as [columns, rows]. */
  readonly transposed: boolean;
}

/** The products with a weight that a graph computes, by the weight's name. Those that do not divide into blocks are left out. */
export function quantisableMatrices(graph: Graph): Map<string, MatrixSpec> {
  const found = new Map<string, MatrixSpec>();
  for (const node of graph.nodes) {
    const spec = matrixOf(node);
    if (spec !== undefined) found.set(spec.name, spec);
  }
  return found;
}

/**
 * The same graph with other products in the place of those with a weight; all else stays.
 * @param productOf x and a matrix: x [tokens, columns] times the matrix's transpose; undefined to leave it as it is
 */
export function replaceProducts(graph: Graph, productOf: (x: Node, spec: MatrixSpec) => Node | undefined): Graph {
  const made = new Map<Node, Node>();
  const of = (node: Node): Node => made.get(node) ?? node;
  for (const node of graph.nodes) {
    const spec = matrixOf(node);
    const inputs = node.inputs.map(of);
    const [x, , addend] = inputs;
    const product = spec && x && productOf(x, spec);
    if (product !== undefined) made.set(node, addend === undefined ? product : add(product, addend));
    else if (inputs.some((input, i) => input !== node.inputs[i])) {
      made.set(node, apply(node.op, inputs, node.attributes));
    }
  }
  const outputs = Object.entries(graph.outputs).map(([name, node]) => [name, of(node)] as const);
  return defineGraph(graph.name, Object.fromEntries(outputs), graph.inputs);
}

/** The weight that a node multiplies with; undefined for any other node. */
export function matrixOf(node: Node): MatrixSpec | undefined {
  if (!isOp(node, "Gemm")) return undefined;
  const [, matrix] = node.inputs;
  const { transA, transB, alpha } = node.attributes;
  if (matrix === undefined || !isOp(matrix, "Weight") || transA || alpha !== 1) return undefined;
  const [outer = 0, inner = 0] = matrix.shape.map(Number);
  const [rows, columns] = transB ? [outer, inner] : [inner, outer];
  if (columns % BLOCK_SIZE !== 0) return undefined;
  return { name: matrix.attributes.name, rows, columns, transposed: !transB };
}

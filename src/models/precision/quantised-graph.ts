import { add, gemm, matMulNBits, reduceSum, reshape, weight } from "../../graph/build.ts";
import type { Graph } from "../../graph/graph-type.ts";
import { defineGraph } from "../../graph/graph.ts";
import { apply, isOp, type Node } from "../../graph/node.ts";
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

/** Names of a quantised matrix's parts, as the graph and the file have them. */
export function partNames(name: string): { readonly packed: string; readonly scales: string; readonly floors: string } {
  return { packed: `${name}.packed`, scales: `${name}.scales`, floors: `${name}.floors` };
}

/**
 * The same graph with quantised matrices in its products; all else stays.
 * @param bitsOf of a matrix; undefined to leave it as it is
 */
export function quantisedGraph(graph: Graph, bitsOf: (spec: MatrixSpec) => 4 | 8 | undefined): Graph {
  const made = new Map<Node, Node>();
  const sums = new Map<Node, Node>();
  const of = (node: Node): Node => made.get(node) ?? node;
  for (const node of graph.nodes) {
    const spec = matrixOf(node);
    const bits = spec && bitsOf(spec);
    const inputs = node.inputs.map(of);
    const [x, , addend] = inputs;
    if (spec === undefined || bits === undefined || x === undefined) {
      const same = inputs.every((input, i) => input === node.inputs[i]);
      if (!same) made.set(node, apply(node.op, inputs, node.attributes));
      continue;
    }
    const product = quantisedProduct(x, spec, bits, sums);
    made.set(node, addend === undefined ? product : add(product, addend));
  }
  const outputs = Object.entries(graph.outputs).map(([name, node]) => [name, of(node)] as const);
  return defineGraph(graph.name, Object.fromEntries(outputs), graph.inputs);
}

/** The floors of blocks add a multiple of each block's sum, which products with the same numbers share. */
function quantisedProduct(x: Node, { name, rows, columns }: MatrixSpec, bits: 4 | 8, sums: Map<Node, Node>): Node {
  const names = partNames(name);
  const blocks = columns / BLOCK_SIZE;
  const packed = weight(names.packed, [rows, blocks, (BLOCK_SIZE * bits) / 8], "uint8");
  const scales = weight(names.scales, [rows * blocks]);
  const product = matMulNBits(x, packed, scales, { bits, blockSize: BLOCK_SIZE, accuracyLevel: 4 });
  if (bits === 8) return product;
  const ofBlocks = sums.get(x) ?? reduceSum(reshape(x, [x.shape[0] ?? 1, blocks, BLOCK_SIZE]), [2]);
  sums.set(x, ofBlocks);
  return gemm(ofBlocks, weight(names.floors, [rows, blocks]), { transB: true, addend: product });
}

/** The weight that a node multiplies with; undefined for any other node. */
function matrixOf(node: Node): MatrixSpec | undefined {
  if (!isOp(node, "Gemm")) return undefined;
  const [, matrix] = node.inputs;
  const { transA, transB, alpha } = node.attributes;
  if (matrix === undefined || !isOp(matrix, "Weight") || transA || alpha !== 1) return undefined;
  const [outer = 0, inner = 0] = matrix.shape.map(Number);
  const [rows, columns] = transB ? [outer, inner] : [inner, outer];
  if (columns % BLOCK_SIZE !== 0) return undefined;
  return { name: matrix.attributes.name, rows, columns, transposed: !transB };
}

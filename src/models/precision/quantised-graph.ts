import { gemm, matMulNBits, reduceSum, reshape, weight } from "../../graph/build.ts";
import type { Graph } from "../../graph/graph-type.ts";
import type { Node } from "../../graph/node.ts";
import { type MatrixSpec, replaceProducts } from "./products.ts";
import { BLOCK_SIZE } from "./quantise.ts";

/** Names of a quantised matrix's parts, as the graph and the file have them. */
export function partNames(name: string): { readonly packed: string; readonly scales: string; readonly floors: string } {
  return { packed: `${name}.packed`, scales: `${name}.scales`, floors: `${name}.floors` };
}

/**
 * The same graph with quantised matrices in its products; all else stays.
 * @param bitsOf of a matrix; undefined to leave it as it is
 */
export function quantisedGraph(graph: Graph, bitsOf: (spec: MatrixSpec) => 4 | 8 | undefined): Graph {
  const sums = new Map<Node, Node>();
  return replaceProducts(graph, (x, spec) => {
    const bits = bitsOf(spec);
    return bits && quantisedProduct(x, spec, bits, sums);
  });
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

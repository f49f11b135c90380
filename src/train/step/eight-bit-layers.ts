import type { Graph } from "../../graph/graph.ts";
import type { ModelConfig } from "../../models/config.ts";
import { type EightBits, eightBitMatrix } from "../../models/precision/eight-bit.ts";
import { eightBitGraph, eightBitNames, type EightBitPlan } from "../../models/precision/eight-bit-graph.ts";
import { type MatrixSpec, quantisableMatrices } from "../../models/precision/products.ts";
import { BLOCK_SIZE } from "../../models/precision/quantise.ts";
import { readingPlan } from "../../models/precision/reading-plan.ts";
import { type Tensor, tensor } from "../../tensor/tensor.ts";
import { encodeFrozenGraph } from "../graphs/layers.ts";

/**
 * Training with the frozen matrices of the blocks in 8 bits (docs/decisions/0205). Forward as when reading. Backward all of them, transposed and
 * with other scales; no input is kept there, as gradients do not have the same few large ones.
 */
export interface EightBitLayers {
  /** The products of a block's graph, forward or backward. */
  rewrite(graph: Graph): Graph;
  /** Matrices by their names in layer 0, as forward products have them. */
  readonly matrices: ReadonlyMap<string, MatrixSpec>;
  /** Whether nothing takes a matrix in float32. */
  replaces(spec: MatrixSpec): boolean;
  /**
   * What the graphs take of a matrix, by name in layer 0.
   * @param matrix [rows, columns]
   * @param kept places of the inputs that stay float32
   */
  parts(spec: MatrixSpec, matrix: Float32Array, kept: readonly number[]): Readonly<Record<string, Tensor>>;
}

/** Whether the product backward, which adds over a matrix's rows, is one that can be had in 8 bits. */
const dividesBackward = ({ rows }: MatrixSpec): boolean => rows % BLOCK_SIZE === 0;
const backwardPlan = ({ name }: MatrixSpec): EightBitPlan => ({ name: `${name}.backward`, kept: 0, rotated: false });

export function eightBitLayers(config: ModelConfig, type: EightBits): EightBitLayers {
  const matrices = quantisableMatrices(encodeFrozenGraph(config));
  const forwardPlan = readingPlan(config);
  const planOf = (spec: MatrixSpec): EightBitPlan | undefined =>
    matrices.get(spec.name)?.transposed === spec.transposed ? forwardPlan(spec) : backwardPlan(spec);
  const parts = (
    { name, rotated }: EightBitPlan,
    matrix: Float32Array,
    [rows, columns]: readonly [number, number],
    kept: readonly number[],
  ): Record<string, Tensor> => {
    const names = eightBitNames(name);
    const own = eightBitMatrix(matrix, rows, kept, type, rotated);
    const values =
      type === "int8"
        ? tensor("int8", [columns, rows], new Int8Array(own.values.buffer))
        : tensor("uint8", [columns, rows], own.values);
    const others = Float32Array.from({ length: columns }, (_, i) => (kept.includes(i) ? 0 : 1));
    return {
      [names.values]: values,
      [names.scales]: tensor("float32", [rows], own.scales),
      ...(kept.length === 0
        ? {}
        : {
            [names.kept]: tensor("float32", [rows, kept.length], own.kept),
            [names.places]: tensor("int64", [kept.length], BigInt64Array.from(kept, BigInt)),
            [names.others]: tensor("float32", [columns], others),
          }),
    };
  };
  return {
    rewrite: (graph) => eightBitGraph(graph, planOf, type),
    matrices,
    replaces: (spec) => forwardPlan(spec) !== undefined && dividesBackward(spec),
    parts: (spec, matrix, kept) => {
      const { rows, columns } = spec;
      const plan = forwardPlan(spec);
      return {
        ...(plan === undefined ? {} : parts(plan, matrix, [rows, columns], kept)),
        ...(dividesBackward(spec)
          ? parts(backwardPlan(spec), transposed(matrix, rows, columns), [columns, rows], [])
          : {}),
      };
    },
  };
}

/** [rows, columns] -> [columns, rows] */
function transposed(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const across = new Float32Array(matrix.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) across[column * rows + row] = matrix[row * columns + column] ?? 0;
  }
  return across;
}

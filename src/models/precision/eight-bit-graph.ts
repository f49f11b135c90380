import {
  add,
  constant,
  gather,
  gemm,
  matMul,
  matMulIntegerToFloat,
  mul,
  quantizeLinear,
  reduceMax,
  reshape,
  sqrt,
  weight,
} from "../../graph/build.ts";
import type { Dim } from "../../graph/dims.ts";
import type { Graph } from "../../graph/graph-type.ts";
import { apply, type Node } from "../../graph/node.ts";
import { type EightBits, zeroPointOf } from "./eight-bit.ts";
import { type MatrixSpec, replaceProducts } from "./products.ts";
import { ROTATED_TOGETHER, rotation } from "./rotation.ts";

/** Names of the parts of a matrix in 8 bits, as the graph and the file have them. */
export interface EightBitNames {
  readonly values: string;
  readonly scales: string;
  /** Columns that stay float32, and where they are: int64 [kept]. */
  readonly kept: string;
  readonly places: string;
  /** 0 for inputs that stay float32, 1 for the others: [columns]. */
  readonly others: string;
}

export function eightBitNames(name: string): EightBitNames {
  const of = (part: string): string => `${name}.eight.${part}`;
  return { values: of("values"), scales: of("scales"), kept: of("kept"), places: of("places"), others: of("others") };
}

/** How a product is computed in 8 bits. */
export interface EightBitPlan {
  /** What the names of the matrix's parts begin with. */
  readonly name: string;
  /** How many inputs stay float32: those that are largest by calibration. */
  readonly kept: number;
  /** Whether the others are rotated among one another before they are rounded, and the matrix with them. */
  readonly rotated: boolean;
}

/**
 * The same graph with products of 8 bits: every row of activations has one scale, every output of the matrix one, and the inputs that are
 * kept are multiplied in float32 and added. A plan may have the others rotated.
 * @param planOf undefined for a product that stays as it is
 */
export function eightBitGraph(
  graph: Graph,
  planOf: (spec: MatrixSpec) => EightBitPlan | undefined,
  type: EightBits,
): Graph {
  const rounded = new Map<Node, RoundedRows>();
  return replaceProducts(graph, (x, spec) => {
    const plan = planOf(spec);
    if (plan === undefined) return undefined;
    const own = rounded.get(x) ?? roundRows(x, spec, plan);
    rounded.set(x, own);
    return eightBitProduct(own, spec, plan, type);
  });
}

/** Activations [tokens, columns] in 8 bits. Products with the same activations share them. */
interface RoundedRows {
  readonly values: Node;
  /** [tokens, 1] */
  readonly scales: Node;
  /** [tokens, kept], float32; undefined where none is. */
  readonly kept: Node | undefined;
}

/** 127 steps to the largest of a row; what is kept passes the ends, if it is there, and meets zeros of the matrix. */
function roundRows(x: Node, { columns }: MatrixSpec, { name, kept, rotated }: EightBitPlan): RoundedRows {
  const names = eightBitNames(name);
  const masked = kept === 0 ? x : mul(x, weight(names.others, [columns]));
  const others = rotated ? rotate(masked, columns) : masked;
  // Never zero: rows of zeros are divided by it.
  const scales = add(mul(sqrt(reduceMax(mul(others, others), [1])), 1 / 127), 1e-30);
  const [tokens = 1] = x.shape;
  return {
    values: quantizeLinear(rotated ? others : x, scales, bytes([tokens]), 0),
    scales: reshape(scales, [tokens, 1]),
    kept: kept === 0 ? undefined : gather(x, weight(names.places, [kept], "int64"), 1),
  };
}

/** As `rotateRows`. */
function rotate(x: Node, columns: number): Node {
  const [tokens = 1] = x.shape;
  const size = ROTATED_TOGETHER;
  const matrix = apply("Constant", [], { dtype: "float32", dims: [size, size], values: [...rotation()] });
  return reshape(matMul(reshape(x, [tokens, columns / size, size]), matrix), [tokens, columns]);
}

const bytes = (shape: readonly Dim[]): Node => apply("ConstantOfShape", [], { dtype: "uint8", shape, value: 128 });
const number = (dtype: EightBits, value: number): Node => apply("Constant", [], { dtype, dims: [], values: [value] });

function eightBitProduct(
  x: RoundedRows,
  { rows, columns }: MatrixSpec,
  { name, kept }: EightBitPlan,
  type: EightBits,
): Node {
  const names = eightBitNames(name);
  const product = matMulIntegerToFloat(
    { numbers: x.values, scale: constant(1), zeroPoint: number("uint8", 128) },
    {
      numbers: weight(names.values, [columns, rows], type),
      scale: weight(names.scales, [rows]),
      zeroPoint: number(type, zeroPointOf(type)),
    },
  );
  const scaled = mul(product, x.scales);
  return x.kept === undefined
    ? scaled
    : gemm(x.kept, weight(names.kept, [rows, kept]), { transB: true, addend: scaled });
}

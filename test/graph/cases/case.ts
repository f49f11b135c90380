import type { Shape } from "../../../src/graph/dims.ts";
import type { Node } from "../../../src/graph/node.ts";
import type { DType } from "../../../src/tensor/tensor.ts";
import type { Random } from "../../../src/util/random.ts";

/** An input of a case: listed values, or a way to draw one. */
export interface Operand {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly values: readonly number[] | ((random: Random) => number);
  /** True for tables that an operator takes no derivative by. */
  readonly isData?: boolean;
}

export const normal = (...shape: Shape): Operand => ({ dtype: "float32", shape, values: (random) => random.normal() });
export const between = (low: number, high: number, ...shape: Shape): Operand => ({
  dtype: "float32",
  shape,
  values: (random) => random.uniform(low, high),
});
export const data = (...shape: Shape): Operand => ({ ...normal(...shape), isData: true });
export const given = (dtype: DType, shape: Shape, values: readonly number[]): Operand => ({ dtype, shape, values });
export const whole = (shape: Shape, values: readonly number[]): Operand => given("int64", shape, values);
export const bool = (shape: Shape, values: readonly number[]): Operand => given("bool", shape, values);

/** One use of an operator: `build` ends in a node of that operator. */
export interface OpCase {
  readonly title: string;
  readonly operands: readonly Operand[];
  readonly build: (...operands: readonly Node[]) => Node;
  /** Values of the symbols, over B = 2, T = 3, P = 2, S = 4. */
  readonly symbols: Readonly<Record<string, number>>;
  /** How near float32 engines come to the interpreter, relative to the largest element; 1e-5 by default. */
  readonly tolerance?: number;
}

type NodesOf<T extends readonly Operand[]> = { readonly [K in keyof T]: Node };

/** A case whose builder takes exactly as many nodes as there are operands. */
export function opCase<const T extends readonly Operand[]>(
  title: string,
  operands: T,
  build: (...operands: NodesOf<T>) => Node,
  symbols: Readonly<Record<string, number>> = {},
): OpCase {
  return { title, operands, build: build as OpCase["build"], symbols };
}

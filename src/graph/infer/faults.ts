import { positiveAxis } from "../axes.ts";
import type { Dim } from "../dims.ts";
import type { OpAttributes, OpName, Type } from "../operators.ts";

/** How an operator's result type follows from its inputs and attributes; throws TypeFault when they do not fit. */
export type InferenceRule<K extends OpName> = (inputs: readonly Type[], attributes: OpAttributes[K]) => Type;
export type InferenceRules<K extends OpName> = { readonly [Op in K]: InferenceRule<Op> };

/** Why inputs do not fit an operator; `inferType` adds which operator and which inputs. */
export class TypeFault extends Error {}

export function check(condition: boolean, fault: string): asserts condition {
  if (!condition) throw new TypeFault(fault);
}

/** The i-th input. */
export function inputAt(inputs: readonly Type[], i: number): Type {
  const input = inputs[i];
  check(input !== undefined, `input ${i} is missing`);
  return input;
}

/** The dimension at `axis`; a negative axis counts from the end. */
export function dimAt(type: Type, axis: number): Dim {
  const dim = type.shape.at(axis);
  check(dim !== undefined, `there is no axis ${axis}`);
  return dim;
}

/** `axis` counted from the first, and inside the rank. */
export function checkedAxis(axis: number, rank: number): number {
  const positive = positiveAxis(axis, rank);
  check(Number.isInteger(positive) && positive >= 0 && positive < rank, `axis ${axis} is outside rank ${rank}`);
  return positive;
}

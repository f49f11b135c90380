import type { Bindings } from "../dims.ts";
import type { OpAttributes, OpName } from "../operators.ts";
import { KvDistillError } from "../../util/errors.ts";
import type { Array64 } from "./array.ts";

export interface Application<K extends OpName> {
  readonly inputs: readonly Array64[];
  readonly attributes: OpAttributes[K];
  /** Concrete shape of the result. */
  readonly dims: readonly number[];
  readonly bindings: Bindings;
}
export type EvaluationRule<K extends OpName> = (application: Application<K>) => Array64;
export type EvaluationRules<K extends OpName> = { readonly [Op in K]: EvaluationRule<Op> };

/** The i-th input. */
export function at(inputs: readonly Array64[], i: number): Array64 {
  const value = inputs[i];
  if (value === undefined) throw new KvDistillError("invalid-graph", `input ${i} is missing`);
  return value;
}

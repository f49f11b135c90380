import { KvDistillError } from "../../util/errors.ts";
import { canonicalDim, printShape } from "../dims.ts";
import type { OpAttributes, OpName, Type } from "../operators.ts";
import { checkArity } from "./arity.ts";
import { inferAttention } from "./attention.ts";
import { inferElementwise } from "./elementwise.ts";
import { type InferenceRules, TypeFault } from "./faults.ts";
import { inferLeaves } from "./leaves.ts";
import { inferLinear } from "./linear.ts";
import { inferMovement } from "./movement.ts";
import { inferNormalisation } from "./normalisation.ts";

const rules: InferenceRules<OpName> = {
  ...inferLeaves,
  ...inferElementwise,
  ...inferLinear,
  ...inferAttention,
  ...inferNormalisation,
  ...inferMovement,
};

/**
 * Type and shape of an operator's result; dimensions in canonical text.
 * @throws KvDistillError `shape-mismatch`, naming the operator and its input types; `invalid-graph` for what is no dimension.
 */
export function inferType<K extends OpName>(op: K, inputs: readonly Type[], attributes: OpAttributes[K]): Type {
  try {
    checkArity(op, inputs.length);
    const { dtype, shape } = rules[op](inputs, attributes);
    return { dtype, shape: shape.map(canonicalDim) };
  } catch (cause) {
    if (!(cause instanceof TypeFault)) throw cause;
    const got = inputs.length === 0 ? "no inputs" : inputs.map(printType).join(", ");
    throw new KvDistillError("shape-mismatch", cause.message, { where: op, got, cause });
  }
}

export function printType(type: Type): string {
  return `${type.dtype}${printShape(type.shape)}`;
}

import { KvDistillError } from "../../util/errors.ts";
import { printShape } from "../dims.ts";
import type { OpAttributes, OpName, Type } from "../operators.ts";
import { inferElementwise } from "./elementwise.ts";
import { type InferenceRules, TypeFault } from "./faults.ts";
import { inferLinear } from "./linear.ts";
import { inferMovement } from "./movement.ts";
import { inferNormalisation } from "./normalisation.ts";

const rules: InferenceRules<OpName> = {
  Input: (_, { type }) => type,
  Weight: (_, { type }) => type,
  Constant: (_, { dtype, dims }) => ({ dtype, shape: dims }),
  ConstantOfShape: (_, { dtype, shape }) => ({ dtype, shape }),
  ...inferElementwise,
  ...inferLinear,
  ...inferNormalisation,
  ...inferMovement,
};

/**
 * Type and shape of an operator's result.
 * @throws KvDistillError `shape-mismatch`, naming the operator and its input types.
 */
export function inferType<K extends OpName>(op: K, inputs: readonly Type[], attributes: OpAttributes[K]): Type {
  try {
    return rules[op](inputs, attributes);
  } catch (cause) {
    if (!(cause instanceof TypeFault)) throw cause;
    const got = inputs.map(printType).join(", ");
    throw new KvDistillError("shape-mismatch", cause.message, { where: op, got, cause });
  }
}

export function printType(type: Type): string {
  return `${type.dtype}${printShape(type.shape)}`;
}

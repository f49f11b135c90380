import { inferType } from "./infer/infer.ts";
import type { OpAttributes, OpName, Type } from "./operators.ts";

/** One operator application and its single result. Immutable; a graph is what its outputs reach. */
export interface Node<K extends OpName = OpName> extends Type {
  /** Grows with creation, so sorting by it is a topological order. */
  readonly id: number;
  readonly op: K;
  readonly inputs: readonly Node[];
  readonly attributes: OpAttributes[K];
}

let nextId = 0;

/**
 * Applies an operator; type and shape are inferred.
 * @throws KvDistillError `shape-mismatch` when the inputs do not fit the operator.
 */
export function apply<K extends OpName>(op: K, inputs: readonly Node[], attributes: OpAttributes[K]): Node<K> {
  const type = inferType(op, inputs, attributes);
  return { id: nextId++, op, inputs, attributes, dtype: type.dtype, shape: type.shape };
}

export function isOp<K extends OpName>(node: Node, op: K): node is Node<K> {
  return node.op === op;
}

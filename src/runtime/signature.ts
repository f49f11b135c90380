import type { DType } from "../tensor/tensor.ts";
import { KvDistillError } from "../util/errors.ts";
import type { Signature } from "./messages.ts";

const DTYPES: readonly string[] = [
  "float32",
  "float16",
  "int64",
  "int32",
  "uint8",
  "int8",
  "bool",
] satisfies readonly DType[];

/** Whether an element type, as ONNX Runtime spells it, is one that tensors of this package have. */
export function isDType(name: string): name is DType {
  return DTYPES.includes(name);
}

/**
 * Refuses programs whose inputs or outputs could not be fed or handed out.
 * @throws KvDistillError `unsupported`, with every such value
 */
export function checkSignature(where: string, { inputs, outputs }: Signature): void {
  const faults = [...inputs, ...outputs]
    .filter(({ dtype }) => !isDType(dtype))
    .map(({ name, dtype }) => `${name}: ${dtype}`);
  if (faults.length === 0) return;
  throw new KvDistillError("unsupported", "the program has inputs or outputs of other element types", {
    where,
    expected: DTYPES.join(", "),
    faults,
  });
}

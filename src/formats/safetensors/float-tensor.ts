import { KvDistillError } from "../../util/errors.ts";
import { quote } from "../../util/quote.ts";
import { floatToBrain, floatToHalf } from "../float16.ts";
import type { TensorSource } from "./write.ts";

/** Element types that float32 values can be stored as. */
export type FloatStorage = "F32" | "F16" | "BF16";

/**
 * Float32 values as a tensor to write; narrowed (nearest, ties to even) when its bytes are asked for.
 * Writing throws KvDistillError `not-finite` when a finite value would become infinite in the narrower type.
 */
export function floatTensor(
  name: string,
  shape: readonly number[],
  values: Float32Array,
  dtype: FloatStorage = "F32",
): TensorSource {
  return { name, dtype, shape, bytes: () => encodeFloats(values, dtype, `tensor ${quote(name)}`) };
}

/**
 * Float32 values as bytes of another element type.
 * @throws KvDistillError `not-finite` when a finite value would become infinite.
 */
export function encodeFloats(values: Float32Array, dtype: FloatStorage, where: string): Uint8Array {
  switch (dtype) {
    case "F32":
      return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    case "F16":
      return narrowed(values, floatToHalf(values), 0x7c00, dtype, where);
    case "BF16":
      return narrowed(values, floatToBrain(values), 0x7f80, dtype, where);
  }
}

function narrowed(
  values: Float32Array,
  bits: Uint16Array,
  infinity: number,
  dtype: FloatStorage,
  where: string,
): Uint8Array {
  for (let i = 0; i < bits.length; i++) {
    if (((bits[i] ?? 0) & 0x7fff) !== infinity || !Number.isFinite(values[i])) continue;
    throw new KvDistillError("not-finite", `a value is too large for ${dtype}`, {
      where,
      got: String(values[i]),
      hint: "store it as F32",
    });
  }
  return new Uint8Array(bits.buffer, bits.byteOffset, bits.byteLength);
}

/**
 * Element types of safetensors files that this package reads and writes, with their size in bytes.
 * Files list tensors by falling `order` (widest alignment first), as the format's own writer does.
 */
export const SAFETENSORS_DTYPES = {
  BOOL: { bytes: 1, order: 0 },
  U8: { bytes: 1, order: 1 },
  I8: { bytes: 1, order: 2 },
  I16: { bytes: 2, order: 3 },
  F16: { bytes: 2, order: 4 },
  BF16: { bytes: 2, order: 5 },
  I32: { bytes: 4, order: 6 },
  F32: { bytes: 4, order: 7 },
  F64: { bytes: 8, order: 8 },
  I64: { bytes: 8, order: 9 },
} as const;

export type SafetensorsDType = keyof typeof SAFETENSORS_DTYPES;

/** True for the element types above; other names may be valid safetensors that this package does not handle. */
export function isSafetensorsDType(name: string): name is SafetensorsDType {
  return Object.hasOwn(SAFETENSORS_DTYPES, name);
}

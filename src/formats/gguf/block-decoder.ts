import { halfToNumber } from "../float16.ts";

/**
 * Decodes one block of quantised values: reads `blockBytes` of its type from `bytes` at `at`, writes `blockElements`
 * float32 values to `out` at `outAt`. Bounds are the caller's business.
 */
export type BlockDecoder = (bytes: Uint8Array, at: number, out: Float32Array, outAt: number) => void;

/** The unsigned byte at an index inside the array. */
export function byteAt(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0;
}

/** The signed byte at an index inside the array. */
export function signedAt(bytes: Uint8Array, index: number): number {
  return (byteAt(bytes, index) << 24) >> 24;
}

/** The value of the little-endian half-precision number at an index inside the array. */
export function halfAt(bytes: Uint8Array, index: number): number {
  return halfToNumber(byteAt(bytes, index) | (byteAt(bytes, index + 1) << 8));
}

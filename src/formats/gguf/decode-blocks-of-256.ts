import { byteAt, halfAt, signedAt, type BlockDecoder } from "./block-decoder.ts";

/*
 * The 256-element types of ggml (ggml-common.h), made of sub-blocks with their own small scales. As for the
 * 32-element types, float64 arithmetic rounded once gives float32's results.
 */

/**
 * Q4_K: scale (half), scale of minima (half), 12 bytes of 6-bit sub-scales and sub-minima, 128 bytes of nibbles.
 * 8 sub-blocks of 32: each 32 bytes hold one sub-block in the low and the next in the high halves.
 * value = scale · subScale · q - minimumScale · subMinimum
 */
export const decodeQ4_K: BlockDecoder = (bytes, at, out, outAt) => {
  for (let sub = 0; sub < 8; sub++) {
    const { factor, minimum } = subBlock(bytes, at, sub);
    for (let i = 0; i < 32; i++) out[outAt + sub * 32 + i] = factor * nibble(bytes, at + 16, sub, i) - minimum;
  }
};

/** Q5_K: as Q4_K, with 32 bytes between scales and nibbles: bit s of byte i is the fifth bit of element i of sub-block s. */
export const decodeQ5_K: BlockDecoder = (bytes, at, out, outAt) => {
  for (let sub = 0; sub < 8; sub++) {
    const { factor, minimum } = subBlock(bytes, at, sub);
    for (let i = 0; i < 32; i++) {
      const fifth = ((byteAt(bytes, at + 16 + i) >>> sub) & 1) << 4;
      out[outAt + sub * 32 + i] = factor * (nibble(bytes, at + 48, sub, i) | fifth) - minimum;
    }
  }
};

function nibble(bytes: Uint8Array, at: number, sub: number, element: number): number {
  return (byteAt(bytes, at + (sub >>> 1) * 32 + element) >>> ((sub & 1) * 4)) & 0xf;
}

/** The factor and the minimum of one sub-block of Q4_K and Q5_K. */
function subBlock(bytes: Uint8Array, at: number, sub: number): { factor: number; minimum: number } {
  const packed = unpackSubScales(bytes, at + 4, sub);
  return { factor: halfAt(bytes, at) * packed.scale, minimum: halfAt(bytes, at + 2) * packed.minimum };
}

/**
 * Sub-blocks 0–3 have their scale in the low 6 bits of byte s and their minimum in those of byte s + 4; sub-blocks 4–7
 * have low nibbles in byte s + 4 and their upper 2 bits in the top of bytes s - 4 (scale) and s (minimum).
 */
function unpackSubScales(bytes: Uint8Array, at: number, sub: number): { scale: number; minimum: number } {
  const here = byteAt(bytes, at + sub);
  const later = byteAt(bytes, at + sub + 4);
  if (sub < 4) return { scale: here & 0x3f, minimum: later & 0x3f };
  const earlier = byteAt(bytes, at + sub - 4);
  return { scale: (later & 0xf) | ((earlier >>> 6) << 4), minimum: (later >>> 4) | ((here >>> 6) << 4) };
}

/**
 * Q6_K: 128 bytes of low nibbles, 64 bytes of upper bit pairs, 16 signed sub-scales, scale (half).
 * Each half of 128 elements is four runs of 32: runs 0 and 1 take the low nibbles of 64 bytes, runs 2 and 3 the high
 * ones; run r takes bits 2r and 2r + 1 of 32 bytes. value = scale · subScale · (q - 32), one sub-scale per 16 elements.
 */
export const decodeQ6_K: BlockDecoder = (bytes, at, out, outAt) => {
  const scale = halfAt(bytes, at + 208);
  for (let run = 0; run < 8; run++) {
    const half = run >>> 2;
    const low = at + half * 64 + (run & 1) * 32;
    const high = at + 128 + half * 32;
    const lowShift = ((run >>> 1) & 1) * 4;
    const highShift = (run & 3) * 2;
    for (let i = 0; i < 32; i++) {
      const lowBits = (byteAt(bytes, low + i) >>> lowShift) & 0xf;
      const highBits = (byteAt(bytes, high + i) >>> highShift) & 0x3;
      const subScale = signedAt(bytes, at + 192 + run * 2 + (i >>> 4));
      out[outAt + run * 32 + i] = scale * subScale * ((lowBits | (highBits << 4)) - 32);
    }
  }
};

import { byteAt, halfAt, signedAt, type BlockDecoder } from "./block-decoder.ts";

/*
 * The 32-element types of ggml (ggml-common.h). Blocks of 4 and 5 bits hold element i's low 4 bits in the low
 * half of byte i and element i + 16's in its high half; the fifth bits are bits 0 to 31 of a 32-bit number. Every product below has at most 24 significant bits, so float64 arithmetic rounded once to
 * float32 gives what float32 arithmetic gives.
 */

const HALF_BLOCK = 16;

/** Q8_0: scale (half), 32 signed bytes. value = scale · q */
export const decodeQ8_0: BlockDecoder = (bytes, at, out, outAt) => {
  const scale = halfAt(bytes, at);
  for (let i = 0; i < 2 * HALF_BLOCK; i++) out[outAt + i] = scale * signedAt(bytes, at + 2 + i);
};

/** Q4_0: scale (half), 16 bytes of nibbles. value = scale · (q - 8) */
export const decodeQ4_0: BlockDecoder = (bytes, at, out, outAt) => {
  const scale = halfAt(bytes, at);
  for (let i = 0; i < HALF_BLOCK; i++) {
    const pair = byteAt(bytes, at + 2 + i);
    out[outAt + i] = scale * ((pair & 0xf) - 8);
    out[outAt + i + HALF_BLOCK] = scale * ((pair >>> 4) - 8);
  }
};

/** Q4_1: scale (half), minimum (half), 16 bytes of nibbles. value = scale · q + minimum */
export const decodeQ4_1: BlockDecoder = (bytes, at, out, outAt) => {
  const scale = halfAt(bytes, at);
  const minimum = halfAt(bytes, at + 2);
  for (let i = 0; i < HALF_BLOCK; i++) {
    const pair = byteAt(bytes, at + 4 + i);
    out[outAt + i] = scale * (pair & 0xf) + minimum;
    out[outAt + i + HALF_BLOCK] = scale * (pair >>> 4) + minimum;
  }
};

/** Q5_0: scale (half), 4 bytes of fifth bits, 16 bytes of nibbles. value = scale · (q - 16) */
export const decodeQ5_0: BlockDecoder = (bytes, at, out, outAt) => {
  const scale = halfAt(bytes, at);
  for (let i = 0; i < HALF_BLOCK; i++) {
    const pair = byteAt(bytes, at + 6 + i);
    out[outAt + i] = scale * (((pair & 0xf) | fifthBit(bytes, at + 2, i)) - 16);
    out[outAt + i + HALF_BLOCK] = scale * (((pair >>> 4) | fifthBit(bytes, at + 2, i + HALF_BLOCK)) - 16);
  }
};

/** Q5_1: scale (half), minimum (half), 4 bytes of fifth bits, 16 bytes of nibbles. value = scale · q + minimum */
export const decodeQ5_1: BlockDecoder = (bytes, at, out, outAt) => {
  const scale = halfAt(bytes, at);
  const minimum = halfAt(bytes, at + 2);
  for (let i = 0; i < HALF_BLOCK; i++) {
    const pair = byteAt(bytes, at + 8 + i);
    out[outAt + i] = scale * ((pair & 0xf) | fifthBit(bytes, at + 4, i)) + minimum;
    out[outAt + i + HALF_BLOCK] = scale * ((pair >>> 4) | fifthBit(bytes, at + 4, i + HALF_BLOCK)) + minimum;
  }
};

/** 16 when the fifth bit of an element is set, else 0. */
function fifthBit(bytes: Uint8Array, at: number, element: number): number {
  return ((byteAt(bytes, at + (element >>> 3)) >>> (element & 7)) & 1) << 4;
}

/**
 * IEEE 754 half precision (float16) and bfloat16 to and from float32, on arrays of raw 16-bit patterns.
 * Narrowing rounds to nearest, ties to even; magnitudes beyond the largest finite value become infinity;
 * NaN stays NaN (a quiet one).
 */

/** The float32 value of every half pattern; 256 KiB, made on first use. */
let halfTable: Float32Array | undefined;

function tableOfHalves(): Float32Array {
  if (halfTable !== undefined) return halfTable;
  halfTable = new Float32Array(1 << 16);
  for (let half = 0; half < halfTable.length; half++) halfTable[half] = decodeHalf(half);
  return halfTable;
}

function decodeHalf(half: number): number {
  const sign = half >>> 15 === 1 ? -1 : 1;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The half pattern nearest to a float32 given by its bits. */
function encodeHalf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00; // NaN
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // 65520 and more round to infinity
  if (magnitude >= 0x38800000) return sign | roundShift(magnitude - 0x38000000, 13); // normal: rebias the exponent
  if (magnitude < 0x33000000) return sign; // below half of the smallest subnormal, 2^-25
  const exponent = magnitude >>> 23;
  return sign | roundShift((magnitude & 0x7fffff) | 0x800000, 126 - exponent); // subnormal
}

/** `value / 2^shift` rounded to nearest, ties to even; 1 <= shift <= 24. */
function roundShift(value: number, shift: number): number {
  const kept = value >>> shift;
  const rest = value & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept;
}

/** The bfloat16 pattern nearest to a float32 given by its bits. */
function encodeBrain(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40; // NaN
  const lastKeptBit = (bits >>> 16) & 1;
  return (bits + 0x7fff + lastKeptBit) >>> 16;
}

/** float16 patterns to float32, exactly. */
export function halfToFloat(source: Uint16Array): Float32Array<ArrayBuffer> {
  const table = tableOfHalves();
  const target = new Float32Array(source.length);
  for (let i = 0; i < source.length; i++) target[i] = table[source[i] ?? 0] ?? 0;
  return target;
}

/** bfloat16 patterns to float32, exactly. */
export function brainToFloat(source: Uint16Array): Float32Array<ArrayBuffer> {
  const target = new Float32Array(source.length);
  const bits = new Uint32Array(target.buffer);
  for (let i = 0; i < source.length; i++) bits[i] = (source[i] ?? 0) << 16;
  return target;
}

/** float32 to the nearest float16 patterns. */
export function floatToHalf(source: Float32Array): Uint16Array<ArrayBuffer> {
  return narrow(source, encodeHalf);
}

/** float32 to the nearest bfloat16 patterns. */
export function floatToBrain(source: Float32Array): Uint16Array<ArrayBuffer> {
  return narrow(source, encodeBrain);
}

function narrow(source: Float32Array, encode: (bits: number) => number): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(source.buffer, source.byteOffset, source.length);
  const target = new Uint16Array(source.length);
  for (let i = 0; i < target.length; i++) target[i] = encode(bits[i] ?? 0);
  return target;
}

/** The value of one float16 pattern. */
export function halfToNumber(half: number): number {
  return tableOfHalves()[half] ?? NaN;
}

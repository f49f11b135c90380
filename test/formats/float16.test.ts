import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { brainToFloat, floatToBrain, floatToHalf, halfToFloat, halfToNumber } from "../../src/formats/float16.ts";

const ALL = Uint16Array.from({ length: 1 << 16 }, (_, bits) => bits);
const HALVES = halfToFloat(ALL);
const BRAINS = brainToFloat(ALL);

function fromBits(bits: number): number {
  return new Float32Array(new Uint32Array([bits]).buffer)[0] ?? NaN;
}

function isOdd(bits: number): boolean {
  return (bits & 1) === 1;
}

/**
 * The pattern of the nearest value, found by search instead of bit tricks: among the non-negative patterns in rising
 * order, infinity standing at its place one step above the largest finite value, as IEEE 754 rounding has it.
 */
function nearest(value: number, table: Float32Array, infinity: number): number {
  const magnitude = Math.abs(value);
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const at = (bits: number): number => {
    if (bits < infinity) return table[bits] ?? NaN;
    return 2 * (table[infinity - 1] ?? NaN) - (table[infinity - 2] ?? NaN);
  };
  let low = 0;
  let high = infinity;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (at(middle) <= magnitude) low = middle;
    else high = middle;
  }
  const below = magnitude - at(low);
  const above = at(high) - magnitude;
  const up = above < below || (above === below && isOdd(low));
  return sign | (up ? high : low);
}

const anyFloat32 = fc.oneof(
  fc.integer({ min: 0, max: 0xffffffff }).map(fromBits),
  fc.integer({ min: 0x33000000 - 8, max: 0x47800000 }).map(fromBits), // the range of halves, subnormals included
  fc.integer({ min: 0, max: 0x7bff }).map((half) => ((HALVES[half] ?? 0) + (HALVES[half + 1] ?? 0)) / 2), // ties
  fc.constantFrom(0, -0, Infinity, -Infinity, 65504, 65519.996, 65520, 2 ** -24, 2 ** -25, 2 ** -14),
);

describe("float16", () => {
  test("known patterns", () => {
    expect([0x3c00, 0xc000, 0x7bff, 0x0001, 0x0400, 0x7c00].map(halfToNumber)).toEqual([
      1,
      -2,
      65504,
      2 ** -24,
      2 ** -14,
      Infinity,
    ]);
    expect(halfToNumber(0x8000)).toBe(-0);
    expect(halfToNumber(0x7e01)).toBeNaN();
  });

  test("every pattern survives the round trip", () => {
    for (const [widened, narrow] of [
      [HALVES, floatToHalf],
      [BRAINS, floatToBrain],
    ] as const) {
      const back = narrow(widened);
      const differing = ALL.filter((bits) => back[bits] !== bits && !Number.isNaN(widened[bits]));
      expect(differing).toHaveLength(0);
      expect(ALL.filter((bits) => Number.isNaN(widened[bits])).every((bits) => (back[bits] ?? 0) !== 0)).toBe(true);
    }
  });

  test("NaN stays NaN", () => {
    const values = Float32Array.of(NaN, fromBits(0x7f800001), fromBits(0xff800001), fromBits(0x7fffffff));
    expect([...halfToFloat(floatToHalf(values))].every(Number.isNaN)).toBe(true);
    expect([...brainToFloat(floatToBrain(values))].every(Number.isNaN)).toBe(true);
  });

  test("rounds to the nearest half, ties to even", () => {
    fc.assert(
      fc.property(anyFloat32, (raw) => {
        const value = Math.fround(raw);
        fc.pre(!Number.isNaN(value));
        const expected = Number.isFinite(value) ? undefined : value > 0 ? 0x7c00 : 0xfc00;
        expect(floatToHalf(Float32Array.of(value))[0]).toBe(
          expected ?? nearest(Math.sign(value) * Math.min(Math.abs(value), 65536) || value, HALVES, 0x7c00),
        );
      }),
      { numRuns: 2000 },
    );
  });

  test("rounds to the nearest bfloat16, ties to even", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffffffff }), fc.boolean(), (bits, tie) => {
        const value = fromBits(tie ? ((bits & 0xffff0000) | 0x8000) >>> 0 : bits);
        fc.pre(Number.isFinite(value));
        expect(floatToBrain(Float32Array.of(value))[0]).toBe(nearest(value, BRAINS, 0x7f80));
      }),
      { numRuns: 2000 },
    );
  });

  test("views into larger buffers are read at their own offset", () => {
    const values = new Float32Array([9, 1, -2]).subarray(1);
    expect([...floatToHalf(values)]).toEqual([0x3c00, 0xc000]);
    expect([...floatToBrain(values)]).toEqual([0x3f80, 0xc000]);
  });
});

import { positiveAxis } from "../axes.ts";
import { type Array64, generate, read, readBroadcast } from "./array.ts";
import { at, type EvaluationRules } from "./rule.ts";

function dot(length: number, a: (k: number) => number, b: (k: number) => number): number {
  let sum = 0;
  for (let k = 0; k < length; k++) sum += a(k) * b(k);
  return sum;
}

export const evaluateLinear: EvaluationRules<
  "MatMul" | "Gemm" | "MatMulNBits" | "QuantizeLinear" | "MatMulIntegerToFloat"
> = {
  MatMul: ({ inputs, dims }): Array64 => {
    const [a, b] = [at(inputs, 0), at(inputs, 1)];
    const inner = a.dims.at(-1) ?? 0;
    return generate(dims, (index) => {
      const batch = index.slice(0, -2);
      const [row = 0, column = 0] = index.slice(-2);
      return dot(
        inner,
        (k) => readBroadcast(a, [...batch, row, k]),
        (k) => readBroadcast(b, [...batch, k, column]),
      );
    });
  },
  Gemm: ({ inputs, attributes, dims }): Array64 => {
    const [a, b, c] = [at(inputs, 0), at(inputs, 1), inputs[2]];
    const { transA, transB, alpha } = attributes;
    const inner = a.dims[transA ? 0 : 1] ?? 0;
    return generate(dims, ([row = 0, column = 0]) => {
      const product = dot(
        inner,
        (k) => read(a, transA ? [k, row] : [row, k]),
        (k) => read(b, transB ? [column, k] : [k, column]),
      );
      return alpha * product + (c === undefined ? 0 : readBroadcast(c, [row, column]));
    });
  },
  MatMulNBits: ({ inputs, attributes, dims }): Array64 => {
    const [x, packed, scales] = [at(inputs, 0), at(inputs, 1), at(inputs, 2)];
    const { bits, blockSize, accuracyLevel } = attributes;
    const blocks = packed.dims[1] ?? 0;
    const matrix = (row: number, k: number): number => {
      const [block, place] = [Math.floor(k / blockSize), k % blockSize];
      const byte = read(packed, [row, block, Math.floor((place * bits) / 8)]);
      const number = Math.floor(byte / 2 ** ((place * bits) % 8)) % 2 ** bits;
      return (number - 2 ** (bits - 1)) * read(scales, [row * blocks + block]);
    };
    const rounded = accuracyLevel === 4 ? roundBlocks(x, blockSize) : x;
    return generate(dims, ([row = 0, column = 0]) =>
      dot(
        blocks * blockSize,
        (k) => read(rounded, [row, k]),
        (k) => matrix(column, k),
      ),
    );
  },
  QuantizeLinear: ({ inputs, attributes, dims }): Array64 => {
    const [x, scale, zero] = [at(inputs, 0), at(inputs, 1), at(inputs, 2)];
    const axis = positiveAxis(attributes.axis, dims.length);
    return generate(dims, (index) => {
      const own = index.slice(axis, axis + 1);
      // Halves are halves of float32's quotient, as engines have them.
      const quotient = Math.fround(read(x, index) / readBroadcast(scale, own));
      return Math.min(255, Math.max(0, halfToEven(quotient) + readBroadcast(zero, own)));
    });
  },
  MatMulIntegerToFloat: ({ inputs, dims }): Array64 => {
    const [a, b, aScale, bScale] = [at(inputs, 0), at(inputs, 1), at(inputs, 2), at(inputs, 3)];
    const [aZero, bZero] = [at(inputs, 4), at(inputs, 5)];
    return generate(dims, ([row = 0, column = 0]) => {
      const product = dot(
        b.dims[0] ?? 0,
        (k) => read(a, [row, k]) - read(aZero, []),
        (k) => read(b, [k, column]) - read(bZero, []),
      );
      return product * read(aScale, []) * read(bScale, [column]);
    });
  },
};

function halfToEven(x: number): number {
  const floor = Math.floor(x);
  if (x - floor !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Every block of a row as multiples of a 127th of its largest magnitude. */
function roundBlocks(x: Array64, blockSize: number): Array64 {
  const blocks = (x.dims[1] ?? 0) / blockSize;
  return generate(x.dims, ([row = 0, k = 0]) => {
    const start = (row * blocks + Math.floor(k / blockSize)) * blockSize;
    const step =
      x.data.subarray(start, start + blockSize).reduce((most, one) => Math.max(most, Math.abs(one)), 0) / 127;
    return step === 0 ? 0 : Math.round(read(x, [row, k]) / step) * step;
  });
}

import {
  gemm,
  matMul,
  matMulIntegerToFloat,
  matMulNBits,
  quantizeLinear,
  transposeLast,
} from "../../../src/graph/build.ts";
import { data, given, normal, opCase, type OpCase } from "./case.ts";

/** Bytes that differ, every value among them. */
const packed = (...shape: readonly [number, number, number]): ReturnType<typeof given> =>
  given(
    "uint8",
    shape,
    Array.from({ length: shape[0] * shape[1] * shape[2] }, (_, i) => (i * 37 + 11) % 256),
  );

const bytes = (rows: number | "T", columns: number): ReturnType<typeof given> =>
  given(
    "uint8",
    [rows, columns],
    Array.from({ length: (rows === "T" ? 3 : rows) * columns }, (_, i) => (i * 37 + 11) % 256),
  );
const scales = (...values: readonly [number, number, number]): ReturnType<typeof given> => ({
  ...given("float32", [3], values.map(Math.fround)),
  isData: true,
});
const zeros = given("uint8", [3], [128, 128, 0]);

export const linearCases = {
  MatMul: [
    opCase("matrices", [normal(3, 4), normal(4, 2)], matMul),
    opCase("symbolic", [normal("T", 4), normal(4, "S")], matMul),
    opCase("symbolic inner axis", [normal(2, "S"), normal("S", 3)], matMul),
    opCase("one row, one column", [normal(1, 4), normal(4, 1)], matMul),
    opCase("batched", [normal("B", 3, "T", 4), normal("B", 3, 4, 2)], matMul),
    opCase("one matrix for all of a batch", [normal("B", "T", 4), normal(4, 2)], matMul),
    opCase("a batch on the right only", [normal("T", 4), normal("B", 4, 2)], matMul),
    opCase("broadcast batch axes", [normal("B", 1, "T", 4), normal(3, 4, 2)], matMul),
    opCase("both batch axes broadcast", [normal("B", 1, 2, 3), normal(1, "S", 3, 2)], matMul),
    opCase("times its own transpose", [normal("B", "T", 4)], (x) => matMul(x, transposeLast(x))),
    opCase("an inner axis of no elements", [normal(2, "P"), normal("P", 3)], matMul, { P: 0 }),
    opCase("no rows", [normal("P", 4), normal(4, 3)], matMul, { P: 0 }),
  ],
  Gemm: [
    opCase("plain", [normal(3, 4), normal(4, 2)], (a, b) => gemm(a, b)),
    opCase("transA", [normal(4, "T"), normal(4, 2)], (a, b) => gemm(a, b, { transA: true })),
    opCase("transB", [normal("T", 4), normal(2, 4)], (a, b) => gemm(a, b, { transB: true })),
    opCase("transA and transB", [normal(4, 3), normal(2, 4)], (a, b) => gemm(a, b, { transA: true, transB: true })),
    opCase("alpha", [normal(3, 4), normal(4, 2)], (a, b) => gemm(a, b, { alpha: -0.5 })),
    opCase("row added", [normal("T", 4), normal(2, 4), normal(2)], (a, b, addend) =>
      gemm(a, b, { transB: true, addend }),
    ),
    opCase("row of rank 2 added", [normal("T", 4), normal(4, 2), normal(1, 2)], (a, b, addend) =>
      gemm(a, b, { addend, alpha: 3 }),
    ),
    opCase("column added", [normal("T", 4), normal(4, 2), normal("T", 1)], (a, b, addend) => gemm(a, b, { addend })),
    opCase("scalar added", [normal(3, 4), normal(4, 2), normal()], (a, b, addend) => gemm(a, b, { addend })),
    opCase("matrix added", [normal(4, 3), normal(2, 4), normal(3, 2)], (a, b, addend) =>
      gemm(a, b, { transA: true, transB: true, alpha: 0.25, addend }),
    ),
    opCase("transA with alpha and a row", [normal("S", "T"), normal("S", 2), normal(2)], (a, b, addend) =>
      gemm(a, b, { transA: true, alpha: 2, addend }),
    ),
    opCase("times its own transpose", [normal("T", 4)], (x) => gemm(x, x, { transB: true })),
    opCase("polynomial rows", [normal("B"), normal("T"), normal("B*T", 4), normal(2, 4)], (_b, _t, x, w) =>
      gemm(x, w, { transB: true }),
    ),
    opCase(
      "no rows",
      [normal("P", 4), normal(2, 4), normal(2)],
      (a, b, addend) => gemm(a, b, { transB: true, addend }),
      {
        P: 0,
      },
    ),
  ],
  MatMulNBits: [
    opCase("4 bits", [data("T", 64), packed(3, 2, 16), data(6)], (x, matrix, scales) =>
      matMulNBits(x, matrix, scales, { bits: 4, blockSize: 32, accuracyLevel: 1 }),
    ),
    opCase("8 bits", [data("T", 64), packed(3, 2, 32), data(6)], (x, matrix, scales) =>
      matMulNBits(x, matrix, scales, { bits: 8, blockSize: 32, accuracyLevel: 1 }),
    ),
    {
      ...opCase("4 bits, one row rounded to 8", [data(1, 64), packed(16, 2, 16), data(32)], (x, m, scales) =>
        matMulNBits(x, m, scales, { bits: 4, blockSize: 32, accuracyLevel: 4 }),
      ),
      // Engines round halves each in their own way.
      tolerance: 0.01,
    },
  ],
  // Halves, and what passes either end, among them.
  QuantizeLinear: [
    opCase(
      "a scale for each row",
      [
        given("float32", [3, 4], [0.25, 0.75, -1.25, -0.25, 9, -9, 0, 3, 254, 256, -258, 1e9]),
        scales(0.5, 3, 2),
        zeros,
      ],
      (x, scale, zero) => quantizeLinear(x, scale, zero, 0),
    ),
    opCase("a scale for each column", [data("S", 3), scales(0.01, 0.02, 0.3), zeros], (x, scale, zero) =>
      quantizeLinear(x, scale, zero, -1),
    ),
    opCase("no rows", [data("P", 3), scales(0.01, 0.02, 0.3), zeros], (x, s, zero) => quantizeLinear(x, s, zero, 1), {
      P: 0,
    }),
  ],
  MatMulIntegerToFloat: [
    opCase(
      "unsigned by unsigned",
      [bytes("T", 8), data(), bytes(8, 5), data(5), given("uint8", [], [128]), given("uint8", [], [128])],
      (a, scale, b, scales, zero, zeroB) =>
        matMulIntegerToFloat({ numbers: a, scale, zeroPoint: zero }, { numbers: b, scale: scales, zeroPoint: zeroB }),
    ),
    // Pairs of products stay below 2^15, where processors without instructions for it saturate.
    opCase(
      "unsigned by signed",
      [
        bytes("T", 8),
        data(),
        given(
          "int8",
          [8, 5],
          Array.from({ length: 40 }, (_, i) => ((i * 29) % 127) - 63),
        ),
        data(5),
        given("uint8", [], [128]),
        given("int8", [], [0]),
      ],
      (a, scale, b, scales, zero, zeroB) =>
        matMulIntegerToFloat({ numbers: a, scale, zeroPoint: zero }, { numbers: b, scale: scales, zeroPoint: zeroB }),
    ),
  ],
} as const satisfies Record<string, readonly OpCase[]>;

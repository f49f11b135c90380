import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { broadcastShapes } from "../../../src/graph/infer/elementwise.ts";
import { inferType, printType } from "../../../src/graph/infer/infer.ts";
import type { OpAttributes, OpName, Type } from "../../../src/graph/operators.ts";
import { errorOf } from "../error-of.ts";

/** "float32[B,4]" as a type. */
function type(text: string): Type {
  const [, dtype = "", dims = ""] = /^(\w+)\[(.*)\]$/.exec(text) ?? [];
  const shape = dims === "" ? [] : dims.split(",").map((dim) => (/^\d+$/.test(dim) ? Number(dim) : dim));
  return { dtype: dtype as Type["dtype"], shape };
}

type Row = { readonly [Op in OpName]: readonly [Op, readonly string[], OpAttributes[Op], string] }[OpName];
const gemm = { transA: false, transB: false, alpha: 1 };
const add = { reduction: "add" } as const;
const fourBits = { bits: 4, blockSize: 32, accuracyLevel: 4 } as const;

/** a times b [K, 5]: with the scales and zero points that these have. */
/** Six heads of queries and two of keys, of 8 numbers each. */
const groupedQueries = (): string[] => [
  "float32[B,T,48]",
  "float32[B,T,16]",
  "float32[B,T,16]",
  "float32[B,2,P,8]",
  "float32[B,2,P,8]",
  "int32[B]",
  "int32[1]",
];
const integerProduct = (a: string, b: string): string[] => [
  a,
  b,
  "float32[]",
  "float32[5]",
  `${a.slice(0, a.indexOf("["))}[]`,
  `${b.slice(0, b.indexOf("["))}[]`,
];

const results: readonly Row[] = [
  ["Input", [], { name: "x", type: type("int64[T+P,2]") }, "int64[P+T,2]"],
  ["Constant", [], { dtype: "float32", dims: [2, 1], values: [1, 2] }, "float32[2,1]"],
  ["ConstantOfShape", [], { dtype: "int64", shape: ["T*B", 0], value: 1 }, "int64[B*T,0]"],
  ["Neg", ["float32[B]"], {}, "float32[B]"],
  ["Add", ["float32[B,1,4]", "float32[T,1]"], {}, "float32[B,T,4]"],
  ["Add", ["int64[]", "int64[T]"], {}, "int64[T]"],
  ["Equal", ["bool[2]", "bool[]"], {}, "bool[2]"],
  ["LessOrEqual", ["int64[T,1]", "int64[1,P+T]"], {}, "bool[T,P+T]"],
  ["Where", ["bool[B,1]", "float32[]", "float32[3]"], {}, "float32[B,3]"],
  ["Cast", ["bool[T]"], { to: "float32" }, "float32[T]"],
  ["MatMul", ["float32[B,1,T,4]", "float32[3,4,P+T]"], {}, "float32[B,3,T,P+T]"],
  ["Gemm", ["float32[4,T]", "float32[8,4]", "float32[8]"], { ...gemm, transA: true, transB: true }, "float32[T,8]"],
  ["MatMulNBits", ["float32[T,64]", "uint8[5,2,16]", "float32[10]"], fourBits, "float32[T,5]"],
  ["ReduceSum", ["float32[B,T,4]"], { axes: [-1, 0], keepDims: false }, "float32[T]"],
  ["ReduceMean", ["float32[B,T,4]"], { axes: [-1, 0], keepDims: true }, "float32[1,T,1]"],
  ["QuantizeLinear", ["float32[T,4]", "float32[T]", "uint8[T]"], { axis: -2 }, "uint8[T,4]"],
  ["MatMulIntegerToFloat", integerProduct("uint8[T,4]", "int8[4,5]"), {}, "float32[T,5]"],
  ["GroupQueryAttention", groupedQueries(), { numHeads: 6, kvHeads: 2 }, "float32[B,T,48]"],
  ["ReduceMax", ["float32[B,T,4]"], { axes: [1], keepDims: false }, "float32[B,4]"],
  ["ArgMax", ["float32[B,T,4]"], {}, "int64[B,T]"],
  ["Softmax", ["float32[B,T]"], {}, "float32[B,T]"],
  ["LayerNormalization", ["float32[B,T,4]", "float32[4]", "float32[4]"], { epsilon: 1 }, "float32[B,T,4]"],
  ["SimplifiedLayerNormalization", ["float32[4]", "float32[4]"], { epsilon: 1 }, "float32[4]"],
  ["RotaryEmbedding", ["float32[B,3,T,4]", "int64[B,T]", "float32[R,2]", "float32[R,2]"], {}, "float32[B,3,T,4]"],
  ["Reshape", ["float32[B,T,4]"], { shape: ["T*B", 2, 2] }, "float32[B*T,2,2]"],
  ["Reshape", ["float32[P+T,2]"], { shape: ["2*T+2*P"] }, "float32[2*P+2*T]"],
  ["Transpose", ["float32[B,T,4]"], { perm: [2, 0, 1] }, "float32[4,B,T]"],
  ["Concat", ["float32[B,T]", "float32[B,P]", "float32[B,T]"], { axis: -1 }, "float32[B,P+2*T]"],
  ["Slice", ["float32[B,P+T]"], { axis: -1, start: "P", end: "P+T" }, "float32[B,T]"],
  ["Slice", ["int64[5]"], { axis: 0, start: 2, end: 2 }, "int64[0]"],
  ["Expand", ["float32[1,4]"], { shape: ["B", "T", 4] }, "float32[B,T,4]"],
  ["Gather", ["float32[V,4]", "int64[B,T]"], { axis: 0 }, "float32[B,T,4]"],
  ["Gather", ["float32[B,V,4]", "int64[T,2]"], { axis: -2 }, "float32[B,T,2,4]"],
  ["ScatterND", ["float32[S,4]", "int64[K,1]", "float32[K,4]"], add, "float32[S,4]"],
];

test.each(results)("%s %j %j is %s", (op, inputs, attributes, result) => {
  expect(printType(inferType(op, inputs.map(type), attributes))).toBe(result);
});

const faults: readonly Row[] = [
  ["Neg", [], {}, "takes 1 input"],
  ["Add", ["float32[2]"], {}, "takes 2 inputs"],
  ["Gemm", ["float32[2,2]"], gemm, "takes 2 or 3 inputs"],
  ["MatMulNBits", ["float32[T,64]", "float32[5,2,16]", "float32[10]"], fourBits, "takes a packed matrix of uint8"],
  [
    "MatMulNBits",
    ["float32[T,64]", "uint8[5,2,32]", "float32[10]"],
    fourBits,
    "blocks of 32 numbers of 4 bits do not take 32 bytes",
  ],
  [
    "MatMulNBits",
    ["float32[T,32]", "uint8[5,2,16]", "float32[10]"],
    fourBits,
    "inner dimensions 32 and 2 blocks differ",
  ],
  ["MatMulNBits", ["float32[T,64]", "uint8[5,2,16]", "float32[5]"], fourBits, "there are 5 scales"],
  ["Concat", [], { axis: 0 }, "takes 1 or more inputs"],
  ["Input", ["float32[2]"], { name: "x", type: type("float32[2]") }, "takes 0 inputs"],
  ["Constant", [], { dtype: "float32", dims: [2], values: [1] }, "1 values do not fill [2]"],
  ["Constant", [], { dtype: "int64", dims: [], values: [0.5] }, "takes whole values"],
  ["ConstantOfShape", [], { dtype: "bool", shape: [2], value: 0.5 }, "takes a whole value"],
  ["Exp", ["int64[2]"], {}, "takes float32"],
  ["Add", ["float32[2]", "int64[2]"], {}, "takes inputs of one element type"],
  ["Mul", ["bool[2]", "bool[2]"], {}, "takes numbers"],
  ["Div", ["int64[2]", "int64[2]"], {}, "takes float32"],
  ["LessOrEqual", ["bool[2]", "bool[2]"], {}, "takes numbers"],
  ["Sub", ["float32[B,3]", "float32[T,3]"], {}, "dimensions B and T do not broadcast"],
  ["Where", ["float32[2]", "float32[2]", "float32[2]"], {}, "takes a bool condition"],
  ["Where", ["bool[3]", "float32[2]", "float32[2]"], {}, "dimensions 3 and 2 do not broadcast"],
  ["MatMul", ["float32[4]", "float32[4,2]"], {}, "takes matrices"],
  ["MatMul", ["int64[2,4]", "int64[4,2]"], {}, "takes float32"],
  ["MatMul", ["float32[2,T]", "float32[P+T,2]"], {}, "inner dimensions T and P+T differ"],
  ["MatMul", ["float32[2,1,4]", "float32[3,4,2]", "float32[2]"], {}, "takes 2 inputs"],
  ["Gemm", ["float32[B,2,4]", "float32[4,2]"], gemm, "takes rank 2"],
  ["Gemm", ["float32[2,4]", "float32[2,4]"], gemm, "inner dimensions 4 and 2 differ"],
  ["Gemm", ["float32[1,4]", "float32[4,2]", "float32[3,2]"], gemm, "the addend is larger than the product"],
  ["Gemm", ["float32[1,4]", "float32[4,2]", "int64[2]"], gemm, "takes float32"],
  ["ReduceSum", ["float32[2,3]"], { axes: [2], keepDims: false }, "axis 2 is outside rank 2"],
  ["ReduceSum", ["float32[2,3]"], { axes: [1, -1], keepDims: false }, "axes repeat or are missing"],
  ["ReduceMean", ["float32[2,3]"], { axes: [], keepDims: false }, "axes repeat or are missing"],
  ["ReduceMean", ["int64[2,3]"], { axes: [0], keepDims: false }, "takes float32"],
  ["Softmax", ["float32[]"], {}, "takes float32 of rank 1 or more"],
  ["ArgMax", ["int64[3]"], {}, "takes float32 of rank 1 or more"],
  ["LogSoftmax", ["bool[2]"], {}, "takes float32 of rank 1 or more"],
  ["LayerNormalization", ["float32[2,4]", "float32[2]"], { epsilon: 1 }, "scale and bias are as long as the last axis"],
  ["LayerNormalization", ["float32[]", "float32[1]"], { epsilon: 1 }, "there is no axis -1"],
  ["SimplifiedLayerNormalization", ["float32[4]", "int64[4]"], { epsilon: 1 }, "takes float32"],
  [
    "RotaryEmbedding",
    ["float32[3,T,4]", "int64[3,T]", "float32[8,2]", "float32[8,2]"],
    {},
    "takes float32 [batch, heads, tokens, headDim]",
  ],
  [
    "RotaryEmbedding",
    ["float32[B,3,T,4]", "int64[T]", "float32[8,2]", "float32[8,2]"],
    {},
    "takes int64 position ids [batch, tokens]",
  ],
  [
    "RotaryEmbedding",
    ["float32[B,3,T,4]", "int64[B,3]", "float32[8,2]", "float32[8,2]"],
    {},
    "position ids do not match [batch, tokens]",
  ],
  [
    "RotaryEmbedding",
    ["float32[B,3,T,5]", "int64[B,T]", "float32[8,2]", "float32[8,2]"],
    {},
    "headDim must be an even number",
  ],
  [
    "RotaryEmbedding",
    ["float32[B,3,T,4]", "int64[B,T]", "float32[8,4]", "float32[8,4]"],
    {},
    "tables are [rows, headDim / 2]",
  ],
  [
    "RotaryEmbedding",
    ["float32[B,3,T,4]", "int64[B,T]", "float32[8,2]", "float32[9,2]"],
    {},
    "the tables have different lengths",
  ],
  [
    "RotaryEmbedding",
    ["float32[B,3,9,4]", "int64[B,9]", "float32[8,2]", "float32[8,2]"],
    {},
    "the tables have fewer rows than there are tokens",
  ],
  ["Reshape", ["float32[B,4]"], { shape: ["B", 3] }, "4*B elements do not fill [B,3]"],
  ["Transpose", ["float32[2,3]"], { perm: [0, 0] }, "perm is not a permutation of the axes"],
  ["Transpose", ["float32[2,3]"], { perm: [0] }, "perm is not a permutation of the axes"],
  ["Concat", ["float32[2,3]", "float32[2,4]"], { axis: 0 }, "inputs differ beside the axis"],
  ["Concat", ["float32[2,3]", "float32[6]"], { axis: 0 }, "inputs differ beside the axis"],
  ["Concat", ["float32[2]", "int64[2]"], { axis: 0 }, "takes inputs of one element type"],
  ["Concat", ["float32[2]"], { axis: -2 }, "axis -2 is outside rank 1"],
  ["Slice", ["float32[4]"], { axis: 0, start: 3, end: 2 }, "end is before start"],
  ["Slice", ["float32[4]"], { axis: 0, start: 0, end: 5 }, "end 5 is beyond 4"],
  ["Slice", ["float32[T]"], { axis: 0, start: 0, end: "T+1" }, "end T+1 is beyond T"],
  ["Slice", ["float32[T]"], { axis: 1, start: 0, end: 1 }, "axis 1 is outside rank 1"],
  ["Expand", ["float32[2,3]"], { shape: [3] }, "does not expand to [3]"],
  ["Expand", ["float32[2]"], { shape: ["T"] }, "dimensions 2 and T do not broadcast"],
  ["Gather", ["float32[2]", "int32[2]"], { axis: 0 }, "takes data of rank 1 or more and int64 indices"],
  ["Gather", ["float32[]", "int64[2]"], { axis: 0 }, "takes data of rank 1 or more and int64 indices"],
  ["Gather", ["float32[2]", "int64[2]"], { axis: 1 }, "axis 1 is outside rank 1"],
  ["QuantizeLinear", ["int64[T,4]", "float32[T]", "uint8[T]"], { axis: 0 }, "takes float32 numbers and scales"],
  ["QuantizeLinear", ["float32[T,4]", "float32[T]", "int8[T]"], { axis: 0 }, "takes a zero point of uint8"],
  ["QuantizeLinear", ["float32[T,4]", "float32[T]", "uint8[T]"], { axis: 1 }, "takes a scale for each entry of axis 1"],
  ["QuantizeLinear", ["float32[T,4]", "float32[T]", "uint8[]"], { axis: 0 }, "takes as many zero points as scales"],
  ["MatMulIntegerToFloat", integerProduct("int8[T,4]", "int8[4,5]"), {}, "takes uint8 times int8 or uint8"],
  ["MatMulIntegerToFloat", integerProduct("uint8[T,4]", "int8[5,5]"), {}, "inner dimensions 4 and 5 differ"],
  ["GroupQueryAttention", groupedQueries(), { numHeads: 6, kvHeads: 4 }, "4 heads of keys do not share 6 of queries"],
  ["GroupQueryAttention", groupedQueries(), { numHeads: 4, kvHeads: 2 }, "queries are not 4 heads of 8"],
  [
    "GroupQueryAttention",
    groupedQueries().with(2, "float32[B,T,8]"),
    { numHeads: 6, kvHeads: 2 },
    "new keys and values are not 2 heads of 8 for each query",
  ],
  [
    "GroupQueryAttention",
    groupedQueries().with(4, "float32[B,2,R,8]"),
    { numHeads: 6, kvHeads: 2 },
    "past keys and values are not [batch, kvHeads, rows, headDim]",
  ],
  [
    "GroupQueryAttention",
    groupedQueries().with(0, "int64[B,T,48]"),
    { numHeads: 6, kvHeads: 2 },
    "takes float32 queries, keys and values",
  ],
  [
    "GroupQueryAttention",
    groupedQueries().with(3, "float32[B,P,8]"),
    { numHeads: 6, kvHeads: 2 },
    "takes new tokens of rank 3, past ones of rank 4",
  ],
  [
    "GroupQueryAttention",
    groupedQueries().with(5, "int64[B]"),
    { numHeads: 6, kvHeads: 2 },
    "takes the last key of each sequence as int32 [batch], their number as int32 [1]",
  ],
  [
    "MatMulIntegerToFloat",
    integerProduct("uint8[T,4]", "int8[4,5]").with(2, "float32[T]"),
    {},
    "takes a scale for each column of b, one number of each of the others",
  ],
  ["ScatterND", ["float32[4]", "int64[2]", "float32[2]"], add, "takes int64 indices [N, 1]"],
  ["ScatterND", ["int64[4]", "int64[2,1]", "int64[2]"], add, "takes float32 data and updates"],
  ["ScatterND", ["float32[4,2]", "int64[3,1]", "float32[2,2]"], add, "updates do not match indices and data"],
  ["ScatterND", ["float32[]", "int64[3,1]", "float32[3]"], add, "takes data of rank 1 or more"],
];

describe("what does not fit", () => {
  test.each(faults)("%s %j %j: %s", (op, inputs, attributes, fault) => {
    const error = errorOf(() => inferType(op, inputs.map(type), attributes), "shape-mismatch");
    expect(error.message).toBe(`${op}: ${fault}; got ${inputs.length === 0 ? "no inputs" : inputs.join(", ")}`);
  });

  const nonDims: readonly Row[] = [
    ["Input", [], { name: "x", type: { dtype: "float32", shape: ["T+"] } }, "T+"],
    ["Reshape", ["float32[4]"], { shape: [-2, -2] }, "-2"],
    ["ConstantOfShape", [], { dtype: "float32", shape: [2.5], value: 1 }, "2.5"],
    ["Slice", ["float32[4]"], { axis: 0, start: -1, end: 1 }, "-1"],
    ["Slice", ["float32[4]"], { axis: 0, start: 0.5, end: 1.5 }, "0.5"],
  ];
  test.each(nonDims)("%s %j %j: no dimension", (op, inputs, attributes, got) => {
    expect(errorOf(() => inferType(op, inputs.map(type), attributes), "invalid-graph").facts.got).toBe(got);
  });
});

describe("broadcastShapes", () => {
  const dim = fc.constantFrom<number | string>(1, 1, 3, "T");
  const shape = fc.array(dim, { maxLength: 4 });

  test("is commutative, and the operands broadcast to its result", () => {
    fc.assert(
      fc.property(shape, shape, (a, b) => {
        let joined;
        try {
          joined = broadcastShapes(a, b);
        } catch {
          expect(() => broadcastShapes(b, a)).toThrow();
          return;
        }
        expect(broadcastShapes(b, a)).toEqual(joined);
        expect(broadcastShapes(a, joined)).toEqual(joined);
        expect(broadcastShapes(a, [])).toEqual(a);
        expect(joined).toHaveLength(Math.max(a.length, b.length));
      }),
    );
  });
});

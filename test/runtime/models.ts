import { type ModelSpec, onnxModel } from "./onnx-model.ts";

const anyByThree = { dtype: "float32", dims: ["n", 3] } as const;

/** sum = a + b, product = a · b element by element; all float32[n, 3]. */
export const sumAndProduct = onnxModel({
  inputs: { a: anyByThree, b: anyByThree },
  outputs: { sum: anyByThree, product: anyByThree },
  nodes: [
    { op: "Add", in: ["a", "b"], out: ["sum"] },
    { op: "Mul", in: ["a", "b"], out: ["product"] },
  ],
});

/** y = x with `rank` free dimensions. */
export function identity(dtype: ModelSpec["inputs"][string]["dtype"], rank: number): Uint8Array {
  const value = { dtype, dims: Array.from({ length: rank }, (_, i) => `d${i}`) };
  return onnxModel({
    inputs: { x: value },
    outputs: { y: value },
    nodes: [{ op: "Identity", in: ["x"], out: ["y"] }],
  });
}

/** `count` square matrix products in a row, each of `size`³ multiplications: x float32[size, size] in, y out. */
export function products(size: number, count: number): Uint8Array {
  const value = { dtype: "float32", dims: [size, size] } as const;
  return onnxModel({
    inputs: { x: value },
    outputs: { y: value },
    nodes: Array.from({ length: count }, (_, i) => ({
      op: "MatMul",
      in: [i === 0 ? "x" : `h${i}`, "x"],
      out: [i === count - 1 ? "y" : `h${i + 1}`],
    })),
  });
}

/** The sum of `size` ones, made in one piece of `4 · size` bytes. */
export const onesSummed = onnxModel({
  inputs: { one: { dtype: "float32", dims: [1] }, size: { dtype: "int64", dims: [1] } },
  outputs: { sum: { dtype: "float32", dims: [] } },
  nodes: [
    { op: "Expand", in: ["one", "size"], out: ["ones"] },
    { op: "ReduceSum", in: ["ones"], out: ["sum"], ints: { keepdims: 0 } },
  ],
});

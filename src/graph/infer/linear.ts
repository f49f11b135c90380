import { mulDims, sameShape } from "../dims.ts";
import { broadcastShapes } from "./elementwise.ts";
import { check, checkedAxis, dimAt, type InferenceRules, inputAt } from "./faults.ts";

export const inferLinear: InferenceRules<
  "MatMul" | "Gemm" | "MatMulNBits" | "QuantizeLinear" | "MatMulIntegerToFloat"
> = {
  QuantizeLinear: (inputs, attributes) => {
    const [x, scale, zero] = [inputAt(inputs, 0), inputAt(inputs, 1), inputAt(inputs, 2)];
    check(x.dtype === "float32" && scale.dtype === "float32", "takes float32 numbers and scales");
    check(zero.dtype === "uint8", "takes a zero point of uint8");
    const axis = checkedAxis(attributes.axis, x.shape.length);
    check(sameShape(scale.shape, [dimAt(x, axis)]), `takes a scale for each entry of axis ${axis}`);
    check(sameShape(zero.shape, scale.shape), "takes as many zero points as scales");
    return { dtype: "uint8", shape: x.shape };
  },
  MatMulIntegerToFloat: (inputs) => {
    const [a, b] = [inputAt(inputs, 0), inputAt(inputs, 1)];
    const [aScale, bScale] = [inputAt(inputs, 2), inputAt(inputs, 3)];
    const [aZero, bZero] = [inputAt(inputs, 4), inputAt(inputs, 5)];
    check(a.dtype === "uint8" && (b.dtype === "int8" || b.dtype === "uint8"), "takes uint8 times int8 or uint8");
    check(aZero.dtype === a.dtype && bZero.dtype === b.dtype, "zero points are of their matrices' types");
    check(aScale.dtype === "float32" && bScale.dtype === "float32", "takes float32 scales");
    check(a.shape.length === 2 && b.shape.length === 2, "takes rank 2");
    check(dimAt(a, 1) === dimAt(b, 0), `inner dimensions ${dimAt(a, 1)} and ${dimAt(b, 0)} differ`);
    check(
      [aScale, aZero, bZero].every(({ shape }) => shape.length === 0) && sameShape(bScale.shape, [dimAt(b, 1)]),
      "takes a scale for each column of b, one number of each of the others",
    );
    return { dtype: "float32", shape: [dimAt(a, 0), dimAt(b, 1)] };
  },
  MatMul: (inputs) => {
    const [a, b] = [inputAt(inputs, 0), inputAt(inputs, 1)];
    check(a.dtype === "float32" && b.dtype === "float32", "takes float32");
    check(a.shape.length >= 2 && b.shape.length >= 2, "takes matrices");
    check(dimAt(a, -1) === dimAt(b, -2), `inner dimensions ${dimAt(a, -1)} and ${dimAt(b, -2)} differ`);
    const batch = broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2));
    return { dtype: "float32", shape: [...batch, dimAt(a, -2), dimAt(b, -1)] };
  },
  Gemm: (inputs, { transA, transB }) => {
    const [a, b, c] = [inputAt(inputs, 0), inputAt(inputs, 1), inputs[2]];
    check(
      inputs.every((input) => input.dtype === "float32"),
      "takes float32",
    );
    check(a.shape.length === 2 && b.shape.length === 2, "takes rank 2");
    const [rows, innerA] = transA ? [dimAt(a, 1), dimAt(a, 0)] : [dimAt(a, 0), dimAt(a, 1)];
    const [innerB, columns] = transB ? [dimAt(b, 1), dimAt(b, 0)] : [dimAt(b, 0), dimAt(b, 1)];
    check(innerA === innerB, `inner dimensions ${innerA} and ${innerB} differ`);
    const shape = [rows, columns];
    if (c !== undefined) {
      const joined = broadcastShapes(c.shape, shape);
      check(sameShape(joined, shape), "the addend is larger than the product");
    }
    return { dtype: "float32", shape };
  },
  MatMulNBits: (inputs, { bits, blockSize }) => {
    const [x, packed, scales] = [inputAt(inputs, 0), inputAt(inputs, 1), inputAt(inputs, 2)];
    check(x.dtype === "float32" && scales.dtype === "float32", "takes float32 numbers and scales");
    check(packed.dtype === "uint8", "takes a packed matrix of uint8");
    check(x.shape.length === 2 && packed.shape.length === 3 && scales.shape.length === 1, "takes ranks 2, 3 and 1");
    const [outputs, blocks, bytes] = [dimAt(packed, 0), dimAt(packed, 1), dimAt(packed, 2)];
    check(
      bytes === (blockSize * bits) / 8,
      `blocks of ${blockSize} numbers of ${bits} bits do not take ${bytes} bytes`,
    );
    check(dimAt(x, 1) === mulDims(blocks, blockSize), `inner dimensions ${dimAt(x, 1)} and ${blocks} blocks differ`);
    check(dimAt(scales, 0) === mulDims(outputs, blocks), `there are ${dimAt(scales, 0)} scales`);
    return { dtype: "float32", shape: [dimAt(x, 0), outputs] };
  },
};

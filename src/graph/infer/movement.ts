import { addDims, canonicalDim, countOf, sameShape, subDims } from "../dims.ts";
import { broadcastShapes } from "./elementwise.ts";
import { checkedAxis, check, dimAt, type InferenceRules, inputAt } from "./faults.ts";

type MovementOp = "Reshape" | "Transpose" | "Concat" | "Slice" | "Expand" | "Gather" | "ScatterND";

export const inferMovement: InferenceRules<MovementOp> = {
  Reshape: (inputs, { shape }) => {
    const x = inputAt(inputs, 0);
    check(countOf(x.shape) === countOf(shape), `${countOf(x.shape)} elements do not fill [${shape.join(",")}]`);
    return { dtype: x.dtype, shape };
  },
  Transpose: (inputs, { perm }) => {
    const x = inputAt(inputs, 0);
    const sorted = [...perm].sort((a, b) => a - b);
    check(
      perm.length === x.shape.length && sorted.every((axis, i) => axis === i),
      "perm is not a permutation of the axes",
    );
    return { dtype: x.dtype, shape: perm.map((axis) => dimAt(x, axis)) };
  },
  Concat: (inputs, attributes) => {
    const first = inputAt(inputs, 0);
    const axis = checkedAxis(attributes.axis, first.shape.length);
    for (const input of inputs) {
      check(input.dtype === first.dtype, "takes inputs of one element type");
      const fits =
        input.shape.length === first.shape.length &&
        input.shape.every((dim, i) => i === axis || dim === first.shape[i]);
      check(fits, "inputs differ beside the axis");
    }
    const joined = addDims(...inputs.map((input) => dimAt(input, axis)));
    return { dtype: first.dtype, shape: first.shape.map((dim, i) => (i === axis ? joined : dim)) };
  },
  Slice: (inputs, attributes) => {
    const x = inputAt(inputs, 0);
    const axis = checkedAxis(attributes.axis, x.shape.length);
    const [start, end] = [canonicalDim(attributes.start), canonicalDim(attributes.end)];
    const length = subDims(end, start);
    check(typeof length !== "number" || length >= 0, "end is before start");
    const rest = subDims(dimAt(x, axis), end);
    check(typeof rest !== "number" || rest >= 0, `end ${end} is beyond ${dimAt(x, axis)}`);
    return { dtype: x.dtype, shape: x.shape.map((dim, i) => (i === axis ? length : dim)) };
  },
  Expand: (inputs, { shape }) => {
    const x = inputAt(inputs, 0);
    check(sameShape(broadcastShapes(x.shape, shape), shape), `does not expand to [${shape.join(",")}]`);
    return { dtype: x.dtype, shape };
  },
  Gather: (inputs, attributes) => {
    const [data, indices] = [inputAt(inputs, 0), inputAt(inputs, 1)];
    check(indices.dtype === "int64" && data.shape.length >= 1, "takes data of rank 1 or more and int64 indices");
    const axis = checkedAxis(attributes.axis, data.shape.length);
    return {
      dtype: data.dtype,
      shape: [...data.shape.slice(0, axis), ...indices.shape, ...data.shape.slice(axis + 1)],
    };
  },
  ScatterND: (inputs) => {
    const [data, indices, updates] = [inputAt(inputs, 0), inputAt(inputs, 1), inputAt(inputs, 2)];
    check(
      indices.dtype === "int64" && indices.shape.length === 2 && indices.shape[1] === 1,
      "takes int64 indices [N, 1]",
    );
    check(data.dtype === "float32" && updates.dtype === "float32", "takes float32 data and updates");
    check(data.shape.length >= 1, "takes data of rank 1 or more");
    check(
      sameShape(updates.shape, [dimAt(indices, 0), ...data.shape.slice(1)]),
      "updates do not match indices and data",
    );
    return data;
  },
};

import { subDims } from "../dims.ts";
import type { Type } from "../operators.ts";
import { check, checkedAxis, dimAt, type InferenceRules, inputAt } from "./faults.ts";

type NormalisationOp =
  | "ReduceSum"
  | "ReduceMean"
  | "ReduceMax"
  | "ArgMax"
  | "Softmax"
  | "LogSoftmax"
  | "LayerNormalization"
  | "SimplifiedLayerNormalization"
  | "RotaryEmbedding";

function reduce(inputs: readonly Type[], attributes: { axes: readonly number[]; keepDims: boolean }): Type {
  const x = inputAt(inputs, 0);
  check(x.dtype === "float32", "takes float32");
  const axes = new Set(attributes.axes.map((axis) => checkedAxis(axis, x.shape.length)));
  check(axes.size === attributes.axes.length && axes.size > 0, "axes repeat or are missing");
  const shape = attributes.keepDims
    ? x.shape.map((dim, i) => (axes.has(i) ? 1 : dim))
    : x.shape.filter((_, i) => !axes.has(i));
  return { dtype: "float32", shape };
}

function alongLastAxis(inputs: readonly Type[]): Type {
  const x = inputAt(inputs, 0);
  check(x.dtype === "float32" && x.shape.length >= 1, "takes float32 of rank 1 or more");
  return x;
}

function normalise(inputs: readonly Type[]): Type {
  const x = inputAt(inputs, 0);
  check(
    inputs.every((input) => input.dtype === "float32"),
    "takes float32",
  );
  for (const parameter of inputs.slice(1)) {
    check(
      parameter.shape.length === 1 && parameter.shape[0] === dimAt(x, -1),
      "scale and bias are as long as the last axis",
    );
  }
  return x;
}

export const inferNormalisation: InferenceRules<NormalisationOp> = {
  ReduceSum: reduce,
  ReduceMean: reduce,
  ReduceMax: reduce,
  ArgMax: (inputs) => ({ dtype: "int64", shape: alongLastAxis(inputs).shape.slice(0, -1) }),
  Softmax: alongLastAxis,
  LogSoftmax: alongLastAxis,
  LayerNormalization: normalise,
  SimplifiedLayerNormalization: normalise,
  RotaryEmbedding: (inputs) => {
    const [x, positions, cos, sin] = [inputAt(inputs, 0), inputAt(inputs, 1), inputAt(inputs, 2), inputAt(inputs, 3)];
    check(x.dtype === "float32" && x.shape.length === 4, "takes float32 [batch, heads, tokens, headDim]");
    check(positions.dtype === "int64" && positions.shape.length === 2, "takes int64 position ids [batch, tokens]");
    check(
      positions.shape[0] === x.shape[0] && positions.shape[1] === x.shape[2],
      "position ids do not match [batch, tokens]",
    );
    const headDim = dimAt(x, 3);
    check(typeof headDim === "number" && headDim % 2 === 0, "headDim must be an even number");
    for (const table of [cos, sin]) {
      check(
        table.dtype === "float32" && table.shape.length === 2 && table.shape[1] === headDim / 2,
        "tables are [rows, headDim / 2]",
      );
    }
    check(cos.shape[0] === sin.shape[0], "the tables have different lengths");
    const spare = subDims(dimAt(cos, 0), dimAt(x, 2));
    check(typeof spare !== "number" || spare >= 0, "the tables have fewer rows than there are tokens");
    return x;
  },
};

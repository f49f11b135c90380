import { type Array64, generate, read } from "./array.ts";
import { at, type EvaluationRules } from "./rule.ts";

type NormalisationOp =
  | "ReduceSum"
  | "ReduceMean"
  | "Softmax"
  | "LogSoftmax"
  | "LayerNormalization"
  | "SimplifiedLayerNormalization"
  | "RotaryEmbedding";

/** Applies `f` to every row (last axis). */
function mapRows(x: Array64, f: (row: Float64Array) => Float64Array): Array64 {
  const width = x.dims.at(-1) ?? 1;
  const data = new Float64Array(x.data.length);
  for (let start = 0; start < data.length; start += width) data.set(f(x.data.subarray(start, start + width)), start);
  return { dims: x.dims, data };
}

const mean = (row: Float64Array): number => row.reduce((sum, value) => sum + value, 0) / row.length;

function logSumExp(row: Float64Array): number {
  const top = row.reduce((a, b) => Math.max(a, b), -Infinity);
  return top + Math.log(row.reduce((sum, value) => sum + Math.exp(value - top), 0));
}

function reduceSum(x: Array64, axes: readonly number[], dims: readonly number[]): Array64 {
  const reduced = new Set(axes.map((axis) => (axis < 0 ? axis + x.dims.length : axis)));
  const kept = x.dims.map((dim, axis) => (reduced.has(axis) ? 1 : dim));
  const data = new Float64Array(kept.reduce((product, dim) => product * dim, 1));
  generate(x.dims, (index) => {
    const offset = kept.reduce((sum, dim, axis) => sum * dim + (dim === 1 ? 0 : (index[axis] ?? 0)), 0);
    return (data[offset] = (data[offset] ?? 0) + read(x, index));
  });
  return { dims, data };
}

export const evaluateNormalisation: EvaluationRules<NormalisationOp> = {
  ReduceSum: ({ inputs, attributes, dims }) => reduceSum(at(inputs, 0), attributes.axes, dims),
  ReduceMean: ({ inputs, attributes, dims }) => {
    const x = at(inputs, 0);
    const sum = reduceSum(x, attributes.axes, dims);
    return { dims, data: sum.data.map((value) => (value * sum.data.length) / x.data.length) };
  },
  Softmax: ({ inputs }) =>
    mapRows(at(inputs, 0), (row) => {
      const total = logSumExp(row);
      return row.map((value) => Math.exp(value - total));
    }),
  LogSoftmax: ({ inputs }) =>
    mapRows(at(inputs, 0), (row) => {
      const total = logSumExp(row);
      return row.map((value) => value - total);
    }),
  LayerNormalization: ({ inputs, attributes }) => {
    const [scale, bias] = [at(inputs, 1), inputs[2]];
    return mapRows(at(inputs, 0), (row) => {
      const centre = mean(row);
      const centred = row.map((value) => value - centre);
      const deviation = Math.sqrt(mean(centred.map((value) => value * value)) + attributes.epsilon);
      return centred.map((value, i) => (value / deviation) * (scale.data[i] ?? 1) + (bias?.data[i] ?? 0));
    });
  },
  SimplifiedLayerNormalization: ({ inputs, attributes }) => {
    const scale = at(inputs, 1);
    return mapRows(at(inputs, 0), (row) => {
      const size = Math.sqrt(mean(row.map((value) => value * value)) + attributes.epsilon);
      return row.map((value, i) => (value / size) * (scale.data[i] ?? 1));
    });
  },
  RotaryEmbedding: ({ inputs, dims }) => {
    const [x, positions, cos, sin] = [at(inputs, 0), at(inputs, 1), at(inputs, 2), at(inputs, 3)];
    const half = (dims[3] ?? 0) / 2;
    return generate(dims, ([batch = 0, head = 0, token = 0, i = 0]) => {
      const row = read(positions, [batch, token]);
      const pair = i % half;
      const other = read(x, [batch, head, token, i < half ? i + half : i - half]);
      return (
        read(x, [batch, head, token, i]) * read(cos, [row, pair]) + (i < half ? -other : other) * read(sin, [row, pair])
      );
    });
  },
};

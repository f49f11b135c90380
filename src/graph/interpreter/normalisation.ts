import { elementCount } from "../../tensor/tensor.ts";
import { keptShape } from "../axes.ts";
import { type Array64, forEachIndex, generate, offsetOf, read } from "./array.ts";
import { at, type EvaluationRules } from "./rule.ts";

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

/** Applies `f` to every row (last axis). */
function mapRows(x: Array64, f: (row: Float64Array) => Float64Array): Array64 {
  const width = x.dims.at(-1) ?? 1;
  const data = new Float64Array(x.data.length);
  for (let start = 0; start < data.length; start += width) data.set(f(x.data.subarray(start, start + width)), start);
  return { dims: x.dims, data };
}

const mean = (row: Float64Array): number => row.reduce((sum, value) => sum + value, 0) / row.length;

/** The largest value is taken off first: nothing overflows, and no digits are lost to it. */
function logSoftmax(row: Float64Array): Float64Array {
  const top = row.reduce((a, b) => Math.max(a, b), -Infinity);
  const shifted = row.map((value) => value - top);
  const logTotal = Math.log(shifted.reduce((sum, value) => sum + Math.exp(value), 0));
  return shifted.map((value) => value - logTotal);
}

function reduce(
  x: Array64,
  axes: readonly number[],
  dims: readonly number[],
  start: number,
  join: (a: number, b: number) => number,
): Array64 {
  const kept = keptShape(x.dims, axes);
  const data = new Float64Array(elementCount(kept)).fill(start);
  forEachIndex(x.dims, (index) => {
    const target = offsetOf(
      kept,
      kept.map((dim, axis) => (dim === 1 ? 0 : (index[axis] ?? 0))),
    );
    data[target] = join(data[target] ?? start, read(x, index));
  });
  return { dims, data };
}

const reduceSum = (x: Array64, axes: readonly number[], dims: readonly number[]): Array64 =>
  reduce(x, axes, dims, 0, (a, b) => a + b);

export const evaluateNormalisation: EvaluationRules<NormalisationOp> = {
  ReduceSum: ({ inputs, attributes, dims }) => reduceSum(at(inputs, 0), attributes.axes, dims),
  ReduceMean: ({ inputs, attributes, dims }) => {
    const x = at(inputs, 0);
    const sum = reduceSum(x, attributes.axes, dims);
    return { dims, data: sum.data.map((value) => (value * sum.data.length) / x.data.length) };
  },
  ReduceMax: ({ inputs, attributes, dims }) => reduce(at(inputs, 0), attributes.axes, dims, -Infinity, Math.max),
  ArgMax: ({ inputs, dims }) => {
    const x = at(inputs, 0);
    return generate(dims, (index) => {
      let best = 0;
      for (let i = 1; i < (x.dims.at(-1) ?? 0); i++) if (read(x, [...index, i]) > read(x, [...index, best])) best = i;
      return best;
    });
  },
  Softmax: ({ inputs }) => mapRows(at(inputs, 0), (row) => logSoftmax(row).map(Math.exp)),
  LogSoftmax: ({ inputs }) => mapRows(at(inputs, 0), logSoftmax),
  LayerNormalization: ({ inputs, attributes }) => {
    const scale = at(inputs, 1);
    const bias = inputs[2];
    return mapRows(at(inputs, 0), (row) => {
      const centre = mean(row);
      const centred = row.map((value) => value - centre);
      const deviation = Math.sqrt(mean(centred.map((value) => value * value)) + attributes.epsilon);
      return centred.map(
        (value, i) => (value / deviation) * read(scale, [i]) + (bias === undefined ? 0 : read(bias, [i])),
      );
    });
  },
  SimplifiedLayerNormalization: ({ inputs, attributes }) => {
    const scale = at(inputs, 1);
    return mapRows(at(inputs, 0), (row) => {
      const size = Math.sqrt(mean(row.map((value) => value * value)) + attributes.epsilon);
      return row.map((value, i) => (value / size) * read(scale, [i]));
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

import { evaluateDim } from "../dims.ts";
import { generate, read } from "./array.ts";
import { at, type EvaluationRules } from "./rule.ts";

type MovementOp = "Reshape" | "Transpose" | "Concat" | "Slice" | "Expand" | "Gather" | "ScatterND";

const axisOf = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

export const evaluateMovement: EvaluationRules<MovementOp> = {
  Reshape: ({ inputs, dims }) => ({ dims, data: at(inputs, 0).data }),
  Transpose: ({ inputs, attributes, dims }) => {
    const x = at(inputs, 0);
    return generate(dims, (index) =>
      read(
        x,
        x.dims.map((_, axis) => index[attributes.perm.indexOf(axis)] ?? 0),
      ),
    );
  },
  Concat: ({ inputs, attributes, dims }) => {
    const axis = axisOf(attributes.axis, dims.length);
    return generate(dims, (index) => {
      let along = index[axis] ?? 0;
      const part = inputs.find((input) => {
        const length = input.dims[axis] ?? 0;
        if (along < length) return true;
        along -= length;
        return false;
      });
      return part === undefined ? NaN : read(part, index.with(axis, along));
    });
  },
  Slice: ({ inputs, attributes, dims, bindings }) => {
    const axis = axisOf(attributes.axis, dims.length);
    const start = evaluateDim(attributes.start, bindings);
    const x = at(inputs, 0);
    return generate(dims, (index) => x.data[offset(x.dims, index.with(axis, (index[axis] ?? 0) + start))] ?? NaN);
  },
  Expand: ({ inputs, dims }) => generate(dims, (index) => read(at(inputs, 0), index)),
  Gather: ({ inputs, dims }) => {
    const [data, indices] = [at(inputs, 0), at(inputs, 1)];
    const rank = indices.dims.length;
    return generate(dims, (index) => {
      const row = indices.data[offset(indices.dims, index.slice(0, rank))] ?? NaN;
      return data.data[offset(data.dims, [row, ...index.slice(rank)])] ?? NaN;
    });
  },
  ScatterND: ({ inputs, dims }) => {
    const [data, indices, updates] = [at(inputs, 0), at(inputs, 1), at(inputs, 2)];
    const sum = data.data.slice();
    const width = updates.data.length / Math.max(1, indices.data.length);
    updates.data.forEach((value, i) => {
      const target = (indices.data[Math.floor(i / width)] ?? NaN) * width + (i % width);
      sum[target] = (sum[target] ?? NaN) + value;
    });
    return { dims, data: sum };
  },
};

function offset(dims: readonly number[], index: readonly number[]): number {
  return dims.reduce((sum, dim, axis) => sum * dim + (index[axis] ?? 0), 0);
}

import { positiveAxis } from "../axes.ts";
import { evaluateDim } from "../dims.ts";
import { type Array64, forEachIndex, generate, offsetOf, read, readBroadcast } from "./array.ts";
import { at, type EvaluationRules } from "./rule.ts";

type MovementOp = "Reshape" | "Transpose" | "Concat" | "Slice" | "Expand" | "Gather" | "ScatterND";

export const evaluateMovement: EvaluationRules<MovementOp> = {
  Reshape: ({ inputs, dims }) => ({ dims, data: at(inputs, 0).data }),
  Transpose: ({ inputs, attributes: { perm }, dims }) => {
    const x = at(inputs, 0);
    return generate(dims, (index) =>
      read(
        x,
        perm.map((_, axis) => index[perm.indexOf(axis)] ?? 0),
      ),
    );
  },
  Concat: ({ inputs, attributes, dims }) => {
    const axis = positiveAxis(attributes.axis, dims.length);
    const slots = inputs.flatMap((part) => Array.from({ length: part.dims[axis] ?? 0 }, (_, i) => ({ part, i })));
    return generate(dims, (index) => {
      const slot = slots[index[axis] ?? 0];
      return slot === undefined ? NaN : read(slot.part, index.with(axis, slot.i));
    });
  },
  Slice: ({ inputs, attributes, dims, bindings }) => {
    const axis = positiveAxis(attributes.axis, dims.length);
    const start = evaluateDim(attributes.start, bindings);
    return generate(dims, (index) => read(at(inputs, 0), index.with(axis, (index[axis] ?? 0) + start)));
  },
  Expand: ({ inputs, dims }) => generate(dims, (index) => readBroadcast(at(inputs, 0), index)),
  Gather: ({ inputs, attributes, dims }) => {
    const [data, indices] = [at(inputs, 0), at(inputs, 1)];
    const axis = positiveAxis(attributes.axis, data.dims.length);
    const end = axis + indices.dims.length;
    return generate(dims, (index) =>
      read(data, [...index.slice(0, axis), read(indices, index.slice(axis, end)), ...index.slice(end)]),
    );
  },
  ScatterND: ({ inputs, dims }): Array64 => {
    const [data, indices, updates] = [at(inputs, 0), at(inputs, 1), at(inputs, 2)];
    const sum = data.data.slice();
    forEachIndex(updates.dims, (index) => {
      const [row = 0, ...rest] = index;
      const target = offsetOf(dims, [read(indices, [row, 0]), ...rest]);
      sum[target] = (sum[target] ?? 0) + read(updates, index);
    });
    return { dims, data: sum };
  },
};

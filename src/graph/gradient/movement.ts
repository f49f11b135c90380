import { positiveAxis } from "../axes.ts";
import { concat, fill, gather, reshape, scatterAdd, slice, transpose } from "../build.ts";
import { addDims, countOf, type Dim, subDims } from "../dims.ts";
import type { Node } from "../node.ts";
import { at, type GradientRules } from "./rule.ts";

type MovementOp = "Reshape" | "Transpose" | "Concat" | "Slice" | "Expand" | "Gather" | "ScatterND";

export const movementGradients: GradientRules<MovementOp> = {
  Reshape: (_, dy, inputs) => [reshape(dy, at(inputs, 0).shape)],
  Transpose: (node, dy) => {
    const { perm } = node.attributes;
    const inverse = perm.map((_, axis) => perm.indexOf(axis));
    return [transpose(dy, inverse)];
  },
  Concat: (node, dy, inputs) => {
    const axis = positiveAxis(node.attributes.axis, node.shape.length);
    let start: Dim = 0;
    return inputs.map((input) => {
      const end: Dim = addDims(start, input.shape[axis] ?? 0);
      const part = slice(dy, axis, start, end);
      start = end;
      return part;
    });
  },
  Slice: (node, dy, inputs) => {
    const x = at(inputs, 0);
    const axis = positiveAxis(node.attributes.axis, x.shape.length);
    const { start, end } = node.attributes;
    const padding = (length: Dim): Node[] => (length === 0 ? [] : [fill(0, x.shape.with(axis, length))]);
    const parts = [...padding(start), dy, ...padding(subDims(x.shape[axis] ?? 0, end))];
    return [parts.length === 1 ? dy : concat(parts, axis)];
  },
  // The walk sums over the expanded axes.
  Expand: (_, dy) => [dy],
  // ScatterND adds to rows: the axis goes first, and back.
  Gather: (node, dy, inputs) => {
    const [data, indices] = [at(inputs, 0), at(inputs, 1)];
    const axis = positiveAxis(node.attributes.axis, data.shape.length);
    const rows = countOf(indices.shape);
    const others = [...data.shape.keys()].filter((other) => other !== axis);
    const joined = reshape(dy, data.shape.with(axis, rows));
    const first = (x: Node): Node => (axis === 0 ? x : transpose(x, [axis, ...others]));
    const none = fill(0, [data.shape[axis] ?? 0, ...others.map((other) => data.shape[other] ?? 0)]);
    const sums = scatterAdd(none, reshape(indices, [rows, 1]), first(joined));
    return [
      axis === 0
        ? sums
        : transpose(
            sums,
            data.shape.map((_, i) => [axis, ...others].indexOf(i)),
          ),
    ];
  },
  ScatterND: (_, dy, inputs) => {
    const [indices, updates] = [at(inputs, 1), at(inputs, 2)];
    return [dy, undefined, gather(dy, reshape(indices, [updates.shape[0] ?? 0]))];
  },
};

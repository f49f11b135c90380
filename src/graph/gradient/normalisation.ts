import { keptShape } from "../axes.ts";
import {
  add,
  div,
  equal,
  exp,
  expand,
  fill,
  mul,
  neg,
  type Operand,
  reciprocal,
  reduceMean,
  reduceSum,
  reshape,
  rotaryEmbedding,
  sqrt,
  sub,
  where,
} from "../build.ts";
import { countOf, type Shape } from "../dims.ts";
import type { Node } from "../node.ts";
import { at, type GradientRules } from "./rule.ts";

type NormalisationOp =
  | "ReduceSum"
  | "ReduceMean"
  | "ReduceMax"
  | "Softmax"
  | "LogSoftmax"
  | "LayerNormalization"
  | "SimplifiedLayerNormalization"
  | "RotaryEmbedding";

/** Number of elements that one mean is taken over; the graph counts where the number is symbolic. */
function meanCount(shape: Shape, axes: readonly number[]): Operand {
  const count = countOf(axes.map((axis) => shape.at(axis) ?? 1));
  return typeof count === "number" ? count : reduceSum(fill(1, [count]), [0]);
}

/** Gradient of x from that of x normalised to `normal` = (x - mean) · invStd; `centred` is false for root-mean-square normalisation. */
function normalisedGradient(dNormal: Node, normal: Node, inverse: Node, centred: boolean): Node {
  const projection = mul(normal, reduceMean(mul(dNormal, normal), [-1], true));
  const inner = centred ? sub(dNormal, add(projection, reduceMean(dNormal, [-1], true))) : sub(dNormal, projection);
  return mul(inner, inverse);
}

export const normalisationGradients: GradientRules<NormalisationOp> = {
  ReduceSum: (node, dy, inputs) => {
    const { shape } = at(inputs, 0);
    return [expand(reshape(dy, keptShape(shape, node.attributes.axes)), shape)];
  },
  ReduceMean: (node, dy, inputs) => {
    const { shape } = at(inputs, 0);
    const { axes } = node.attributes;
    return [expand(reshape(div(dy, meanCount(shape, axes)), keptShape(shape, axes)), shape)];
  },
  // Equal maxima share the gradient.
  ReduceMax: (y, dy, inputs) => {
    const x = at(inputs, 0);
    const { axes } = y.attributes;
    const spread = (value: Node): Node => expand(reshape(value, keptShape(x.shape, axes)), x.shape);
    const isTop = where(equal(x, spread(y)), 1, 0);
    return [mul(isTop, spread(div(dy, reduceSum(isTop, axes, y.attributes.keepDims))))];
  },
  Softmax: (y, dy) => {
    const weighted = mul(dy, y);
    return [sub(weighted, mul(y, reduceSum(weighted, [-1], true)))];
  },
  LogSoftmax: (y, dy) => [sub(dy, mul(exp(y), reduceSum(dy, [-1], true)))],
  LayerNormalization: (node, dy, inputs) => {
    const [x, scale] = [at(inputs, 0), at(inputs, 1)];
    const centred = sub(x, reduceMean(x, [-1], true));
    const inverse = reciprocal(sqrt(add(reduceMean(mul(centred, centred), [-1], true), node.attributes.epsilon)));
    const normal = mul(centred, inverse);
    const dx = normalisedGradient(mul(dy, scale), normal, inverse, true);
    return inputs.length === 3 ? [dx, mul(dy, normal), dy] : [dx, mul(dy, normal)];
  },
  SimplifiedLayerNormalization: (node, dy, inputs) => {
    const [x, scale] = [at(inputs, 0), at(inputs, 1)];
    const inverse = reciprocal(sqrt(add(reduceMean(mul(x, x), [-1], true), node.attributes.epsilon)));
    const normal = mul(x, inverse);
    return [normalisedGradient(mul(dy, scale), normal, inverse, false), mul(dy, normal)];
  },
  // The transpose of a rotation is the rotation by the opposite angle. Tables and positions are data, not parameters.
  RotaryEmbedding: (_, dy, inputs) => [rotaryEmbedding(dy, at(inputs, 1), at(inputs, 2), neg(at(inputs, 3)))],
};

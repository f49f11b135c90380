import { cast, div, exp, mul, neg, sub, where } from "../build.ts";
import { isFloat } from "../infer/leaves.ts";
import { at, type GradientRules } from "./rule.ts";

type ElementwiseOp =
  | "Neg"
  | "Exp"
  | "Log"
  | "Sqrt"
  | "Reciprocal"
  | "Sigmoid"
  | "Tanh"
  | "Erf"
  | "Add"
  | "Sub"
  | "Mul"
  | "Div"
  | "Where"
  | "Cast";

export const elementwiseGradients: GradientRules<ElementwiseOp> = {
  Neg: (_, dy) => [neg(dy)],
  Exp: (y, dy) => [mul(dy, y)],
  Log: (_, dy, inputs) => [div(dy, at(inputs, 0))],
  Sqrt: (y, dy) => [div(mul(dy, 0.5), y)],
  Reciprocal: (y, dy) => [neg(mul(dy, mul(y, y)))],
  Sigmoid: (y, dy) => [mul(dy, mul(y, sub(1, y)))],
  Tanh: (y, dy) => [mul(dy, sub(1, mul(y, y)))],
  Erf: (_, dy, inputs) => {
    const x = at(inputs, 0);
    return [mul(dy, mul(exp(neg(mul(x, x))), 2 / Math.sqrt(Math.PI)))];
  },
  Add: (_, dy) => [dy, dy],
  Sub: (_, dy) => [dy, neg(dy)],
  Mul: (_, dy, inputs) => [mul(dy, at(inputs, 1)), mul(dy, at(inputs, 0))],
  Div: (y, dy, inputs) => {
    const scaled = div(dy, at(inputs, 1));
    return [scaled, neg(mul(scaled, y))];
  },
  Where: (_, dy, inputs) => {
    const condition = at(inputs, 0);
    return [undefined, where(condition, dy, 0), where(condition, 0, dy)];
  },
  // From one float to another it is the identity; whole numbers and booleans have no derivative.
  Cast: (_, dy, inputs) => {
    const { dtype } = at(inputs, 0);
    return [isFloat(dtype) ? cast(dy, dtype) : undefined];
  },
};

import type { Dim, Shape } from "../dims.ts";
import type { Type } from "../operators.ts";
import { check, type InferenceRules, inputAt } from "./faults.ts";

type UnaryFloatOp = "Neg" | "Exp" | "Log" | "Sqrt" | "Reciprocal" | "Sigmoid" | "Tanh" | "Erf";
type BinaryOp = "Add" | "Sub" | "Mul" | "Div";
type ComparisonOp = "Equal" | "LessOrEqual";

/** The common shape of operands: equal dimensions, or 1 against anything. */
export function broadcastShapes(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i): Dim => {
    const x = a[i - rank + a.length] ?? 1;
    const y = b[i - rank + b.length] ?? 1;
    check(x === y || x === 1 || y === 1, `dimensions ${x} and ${y} do not broadcast`);
    return x === 1 ? y : x;
  });
}

function unary(inputs: readonly Type[]): Type {
  const x = inputAt(inputs, 0);
  check(x.dtype === "float32", "takes float32");
  return x;
}

function pair(inputs: readonly Type[]): Type {
  const [a, b] = [inputAt(inputs, 0), inputAt(inputs, 1)];
  check(a.dtype === b.dtype, "takes inputs of one element type");
  return { dtype: a.dtype, shape: broadcastShapes(a.shape, b.shape) };
}

function numbers(inputs: readonly Type[]): Type {
  const type = pair(inputs);
  check(type.dtype !== "bool", "takes numbers");
  return type;
}

/** Division of whole numbers would round, and nothing here needs it. */
function floatPair(inputs: readonly Type[]): Type {
  const type = pair(inputs);
  check(type.dtype === "float32", "takes float32");
  return type;
}

export const inferElementwise: InferenceRules<UnaryFloatOp | BinaryOp | ComparisonOp | "Where" | "Cast"> = {
  Neg: unary,
  Exp: unary,
  Log: unary,
  Sqrt: unary,
  Reciprocal: unary,
  Sigmoid: unary,
  Tanh: unary,
  Erf: unary,
  Add: numbers,
  Sub: numbers,
  Mul: numbers,
  Div: floatPair,
  Equal: (inputs) => ({ dtype: "bool", shape: pair(inputs).shape }),
  LessOrEqual: (inputs) => ({ dtype: "bool", shape: numbers(inputs).shape }),
  Where: (inputs) => {
    const condition = inputAt(inputs, 0);
    check(condition.dtype === "bool", "takes a bool condition");
    const values = pair(inputs.slice(1));
    return { dtype: values.dtype, shape: broadcastShapes(condition.shape, values.shape) };
  },
  Cast: (inputs, { to }) => ({ dtype: to, shape: inputAt(inputs, 0).shape }),
};

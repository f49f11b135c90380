import type { OpName } from "../operators.ts";
import { type Array64, generate, readBroadcast } from "./array.ts";
import { erf } from "./erf.ts";
import { at, type EvaluationRule, type EvaluationRules } from "./rule.ts";

type UnaryOp = "Neg" | "Exp" | "Log" | "Sqrt" | "Reciprocal" | "Sigmoid" | "Tanh" | "Erf";
type BinaryOp = "Add" | "Sub" | "Mul" | "Div" | "Equal" | "LessOrEqual";

const unary =
  <K extends OpName>(f: (x: number) => number): EvaluationRule<K> =>
  ({ inputs, dims }): Array64 => ({ dims, data: at(inputs, 0).data.map(f) });

const binary =
  <K extends OpName>(f: (a: number, b: number) => number): EvaluationRule<K> =>
  ({ inputs, dims }): Array64 => {
    const [a, b] = [at(inputs, 0), at(inputs, 1)];
    return generate(dims, (index) => f(readBroadcast(a, index), readBroadcast(b, index)));
  };

export const evaluateElementwise: EvaluationRules<UnaryOp | BinaryOp | "Where" | "Cast"> = {
  Neg: unary((x) => -x),
  Exp: unary(Math.exp),
  Log: unary(Math.log),
  Sqrt: unary(Math.sqrt),
  Reciprocal: unary((x) => 1 / x),
  Sigmoid: unary((x) => 1 / (1 + Math.exp(-x))),
  Tanh: unary(Math.tanh),
  Erf: unary(erf),
  Add: binary((a, b) => a + b),
  Sub: binary((a, b) => a - b),
  Mul: binary((a, b) => a * b),
  Div: binary((a, b) => a / b),
  Equal: binary((a, b) => (a === b ? 1 : 0)),
  LessOrEqual: binary((a, b) => (a <= b ? 1 : 0)),
  Where: ({ inputs, dims }) => {
    const [condition, x, y] = [at(inputs, 0), at(inputs, 1), at(inputs, 2)];
    return generate(dims, (index) =>
      readBroadcast(condition, index) === 0 ? readBroadcast(y, index) : readBroadcast(x, index),
    );
  },
  Cast: ({ inputs, attributes }) => {
    const x = at(inputs, 0);
    if (attributes.to === "bool") return { dims: x.dims, data: x.data.map((value) => (value === 0 ? 0 : 1)) };
    return attributes.to === "float32" || attributes.to === "float16"
      ? x
      : { dims: x.dims, data: x.data.map(Math.trunc) };
  },
};

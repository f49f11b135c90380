import {
  add,
  cast,
  div,
  equal,
  erf,
  exp,
  lessOrEqual,
  log,
  mul,
  neg,
  type Operand as NodeOrNumber,
  reciprocal,
  sigmoid,
  sqrt,
  sub,
  tanh,
  where,
} from "../../../src/graph/build.ts";
import type { Shape } from "../../../src/graph/dims.ts";
import type { Node } from "../../../src/graph/node.ts";
import { between, bool, given, normal, opCase, type OpCase, type Operand, whole } from "./case.ts";

const unary = (apply: (x: Node) => Node, low: number, high: number): [OpCase, ...OpCase[]] => [
  opCase("rank 2", [between(low, high, 3, 4)], apply),
  opCase("scalar", [between(low, high)], apply),
  opCase("symbolic", [between(low, high, "B", "T", 2)], apply),
  opCase("a polynomial axis", [between(low, high, "P"), between(low, high, "3*P")], (_, x) => apply(x)),
];

const binary = (
  apply: (a: NodeOrNumber, b: NodeOrNumber) => Node,
  right: (...shape: Shape) => Operand = normal,
): [OpCase, ...OpCase[]] => [
  opCase("equal shapes", [normal("T", 4), right("T", 4)], apply),
  opCase("scalars", [normal(), right()], apply),
  opCase("a scalar on the left", [normal(), right("B", 2)], apply),
  opCase("a number on the left", [right(2, 3)], (x) => apply(1.5, x)),
  opCase("a number on the right", [normal(2, 3)], (x) => apply(x, -2.5)),
  opCase("row on matrix", [normal("B", "T", 4), right(4)], apply),
  opCase("matrix on row", [normal(4), right("B", "T", 4)], apply),
  opCase("column against row", [normal("T", 1), right(1, 4)], apply),
  opCase("an inner axis of 1", [normal("B", 1, 3), right(1, "T", 1)], apply),
  opCase("the same node twice", [right(2, 3)], (x) => apply(x, x)),
];

const wholePair = (apply: (a: Node, b: Node) => Node): OpCase =>
  opCase("whole numbers", [whole(["T"], [3, -4, 7]), whole([1], [-4])], apply);

const awayFromZero = (...shape: Shape): Operand => ({
  ...normal(...shape),
  values: (random) => (random.integer(2) === 0 ? random.uniform(-2, -0.5) : random.uniform(0.5, 2)),
});

const comparisons = (apply: (a: Node, b: Node) => Node): [OpCase, ...OpCase[]] => [
  opCase("whole numbers", [whole(["T", 1], [0, 1, 2]), whole([4], [0, 1, 2, 3])], apply),
  opCase("floats", [given("float32", [4], [0.5, -1, 2, 3]), given("float32", [2, 1], [2, -1])], apply),
  opCase("scalars", [whole([], [3]), whole([], [3])], apply),
];

export const elementwiseCases = {
  Neg: unary(neg, -2, 2),
  Exp: unary(exp, -3, 3),
  Log: unary(log, 0.2, 4),
  Sqrt: unary(sqrt, 0.2, 4),
  Reciprocal: [...unary(reciprocal, 0.3, 3), opCase("negative", [between(-3, -0.3, 5)], reciprocal)],
  Sigmoid: [...unary(sigmoid, -4, 4), opCase("far out", [given("float32", [5], [-90, -20, 0.5, 20, 90])], sigmoid)],
  Tanh: [...unary(tanh, -2, 2), opCase("far out", [given("float32", [5], [-90, -9, 0.5, 9, 90])], tanh)],
  Erf: [...unary(erf, -3.5, 3.5), opCase("far out", [given("float32", [5], [-7, -5.5, 0, 5.5, 7])], erf)],
  Add: [...binary(add), wholePair(add)],
  Sub: [...binary(sub), wholePair(sub)],
  Mul: [...binary(mul), wholePair(mul)],
  Div: binary(div, awayFromZero),
  Equal: [...comparisons(equal), opCase("booleans", [bool([2, 1], [0, 1]), bool([2], [0, 1])], equal)],
  LessOrEqual: comparisons(lessOrEqual),
  Where: [
    opCase("equal shapes", [bool(["T", 2], [1, 0, 0, 1, 1, 0]), normal("T", 2), normal("T", 2)], where),
    opCase("all three broadcast", [bool(["T", 1], [1, 0, 1]), normal(1, 4), normal("B", 1, 1)], where),
    opCase("a larger condition", [bool([2, 2], [1, 0, 0, 1]), normal(), normal(2)], where),
    opCase("a number", [bool([3], [1, 0, 1]), normal(2, 3)], (condition, x) => where(condition, x, -7)),
    opCase("whole numbers", [bool([3], [1, 0, 1]), whole([3], [1, 2, 3]), whole([1], [9])], where),
  ],
  Cast: [
    opCase("whole to float", [whole(["T"], [-2, 0, 300])], (x) => cast(x, "float32")),
    opCase("bool to float", [bool([2, 2], [1, 0, 0, 1])], (x) => cast(x, "float32")),
    opCase("bool to whole", [bool([3], [1, 0, 1])], (x) => cast(x, "int64")),
    opCase("float to whole", [given("float32", [5], [-1.7, -0.2, 0, 0.9, 41.5])], (x) => cast(x, "int64")),
    opCase("float to int32", [given("float32", [], [-2.5])], (x) => cast(x, "int32")),
    opCase("float to bool", [given("float32", [3], [0, 0.25, -3])], (x) => cast(x, "bool")),
    {
      ...opCase("through float16", [given("float32", [3], [0.5, -1024, 0.0999755859375])], (x) =>
        cast(cast(x, "float16"), "float32"),
      ),
      tolerance: 1e-3,
    },
  ],
} as const satisfies Record<string, readonly OpCase[]>;

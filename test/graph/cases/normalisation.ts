import {
  argMax,
  concat,
  layerNorm,
  logSoftmax,
  reduceMax,
  reduceMean,
  reduceSum,
  rmsNorm,
  rotaryEmbedding,
  softmax,
} from "../../../src/graph/build.ts";
import type { Node } from "../../../src/graph/node.ts";
import { between, data, given, normal, opCase, type OpCase, whole } from "./case.ts";

type Reduce = (x: Node, axes: readonly number[], keepDims?: boolean) => Node;
const reductions = (reduce: Reduce): [OpCase, ...OpCase[]] => [
  opCase("last axis", [normal("B", "T", 4)], (x) => reduce(x, [-1])),
  opCase("last axis kept", [normal("B", "T", 4)], (x) => reduce(x, [-1], true)),
  opCase("first axis", [normal(3, 4)], (x) => reduce(x, [0])),
  opCase("symbolic axis", [normal("T", 4)], (x) => reduce(x, [0])),
  opCase("outer axes", [normal("B", 3, "T")], (x) => reduce(x, [0, 2])),
  opCase("outer axes kept, one negative", [normal("B", 3, "T")], (x) => reduce(x, [-3, 2], true)),
  opCase("to a scalar", [normal("B", "T")], (x) => reduce(x, [0, 1])),
  opCase("rank 1 to a scalar", [normal(5)], (x) => reduce(x, [0])),
  opCase("an axis of 1", [normal(1, 3)], (x) => reduce(x, [0])),
  opCase("a joined axis", [normal("P", 2), normal("T", 2)], (a, b) => reduce(concat([a, b], 0), [0])),
];

const softmaxes = (apply: (x: Node) => Node): [OpCase, ...OpCase[]] => [
  opCase("rank 1", [normal(5)], apply),
  opCase("rank 2", [normal("T", 4)], apply),
  opCase("rank 4", [normal("B", 2, "T", "S")], apply),
  opCase("one column", [normal("T", 1)], apply),
  opCase("large values", [given("float32", [2, 3], [60, 59, -60, -80, -81, -79.5])], apply),
  opCase("equal values", [given("float32", [2, 3], [1, 1, 1, -2, -2, -2])], apply),
];

export const normalisationCases = {
  ReduceSum: [...reductions(reduceSum), opCase("no elements", [normal("P", 3)], (x) => reduceSum(x, [0]), { P: 0 })],
  ReduceMean: reductions(reduceMean),
  ReduceMax: reductions(reduceMax),
  ArgMax: [
    opCase("rank 1", [normal(5)], argMax),
    opCase("rank 2", [normal("T", 7)], argMax),
    opCase("rank 3", [normal("B", "T", 4)], argMax),
    opCase("a symbolic axis", [normal(2, "S")], argMax),
    opCase("one column", [normal("T", 1)], argMax),
    opCase("of equal ones the first", [given("float32", [3, 4], [1, 3, 3, 2, 0, 0, 0, 0, -5, -4, -6, -4])], argMax),
    opCase("a vocabulary", [normal(3, 4099)], argMax),
  ],
  Softmax: [
    ...softmaxes(softmax),
    opCase("masked columns", [given("float32", [2, 4], [0.3, -1e9, 1.2, -1e9, 0.1, 0.2, -1e9, 2])], softmax),
  ],
  LogSoftmax: softmaxes(logSoftmax),
  LayerNormalization: [
    opCase("rank 2", [normal("T", 6), normal(6)], (x, scale) => layerNorm(x, 1e-5, scale)),
    opCase("with bias", [normal("B", "T", 6), normal(6), normal(6)], (x, scale, bias) =>
      layerNorm(x, 1e-5, scale, bias),
    ),
    opCase("rank 1", [normal(6), normal(6), normal(6)], (x, scale, bias) => layerNorm(x, 1e-5, scale, bias)),
    opCase("a large epsilon", [between(-0.1, 0.1, 3, 4), normal(4)], (x, scale) => layerNorm(x, 0.5, scale)),
    opCase("a large mean", [between(9, 11, 3, 8), normal(8)], (x, scale) => layerNorm(x, 1e-5, scale)),
  ],
  SimplifiedLayerNormalization: [
    opCase("rank 2", [normal("T", 6), normal(6)], (x, scale) => rmsNorm(x, 1e-5, scale)),
    opCase("rank 3", [normal("B", "T", 6), normal(6)], (x, scale) => rmsNorm(x, 1e-6, scale)),
    opCase("rank 4", [normal("B", 2, "T", 4), normal(4)], (x, scale) => rmsNorm(x, 1e-6, scale)),
    opCase("rank 1", [normal(6), normal(6)], (x, scale) => rmsNorm(x, 1e-5, scale)),
    opCase("a large epsilon", [between(-0.1, 0.1, 3, 4), normal(4)], (x, scale) => rmsNorm(x, 0.5, scale)),
  ],
  RotaryEmbedding: [
    opCase(
      "consecutive positions",
      [normal("B", 2, "T", 4), whole(["B", "T"], [0, 1, 2, 0, 1, 2]), data(8, 2), data(8, 2)],
      rotaryEmbedding,
    ),
    opCase(
      "gapped, repeated and unordered positions",
      [normal(2, 3, 4, 6), whole([2, 4], [7, 0, 0, 5, 1, 6, 3, 3]), data(8, 3), data(8, 3)],
      rotaryEmbedding,
    ),
    opCase(
      "large positions",
      [normal(1, 2, "T", 8), whole([1, "T"], [199, 3, 150]), data(200, 4), data(200, 4)],
      rotaryEmbedding,
    ),
    opCase("one token", [normal(1, 1, 1, 8), whole([1, 1], [5]), data("S", 4), data("S", 4)], rotaryEmbedding, {
      S: 6,
    }),
    opCase(
      "a table row for every token",
      [normal(1, 2, "T", 4), whole([1, "T"], [0, 1, 2]), data("T", 2), data("T", 2)],
      rotaryEmbedding,
    ),
  ],
} as const satisfies Record<string, readonly OpCase[]>;

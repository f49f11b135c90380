import { concat, expand, gather, mul, reshape, scatterAdd, slice, transpose } from "../../../src/graph/build.ts";
import type { Node } from "../../../src/graph/node.ts";
import { normal, opCase, type OpCase, whole } from "./case.ts";

const rowsOf = (x: Node, indices: Node): Node => gather(x, indices);

export const movementCases = {
  Reshape: [
    opCase("numbers", [normal(3, 4)], (x) => reshape(x, [2, 6])),
    opCase("heads out of columns", [normal("B", "T", 4)], (x) => reshape(x, ["B", "T", 2, 2])),
    opCase("joined axes", [normal("B", "T", 4)], (x) => reshape(x, ["B*T", 4])),
    opCase("text that is not canonical", [normal("B", "T", 4)], (x) => reshape(x, ["4*T*B"])),
    opCase("split axes", [normal("B"), normal("B*T", 2), normal("T")], (_b, x) => reshape(x, ["B", "T", 2])),
    opCase("to a scalar", [normal(1, 1)], (x) => reshape(x, [])),
    opCase("from a scalar", [normal()], (x) => reshape(x, [1, 1])),
    opCase("a polynomial", [normal("P", 2), normal("T", 2)], (a, b) => reshape(concat([a, b], 0), ["2*P+2*T"])),
    opCase("no elements", [normal(4, "P")], (x) => reshape(x, ["P", 2, 2]), { P: 0 }),
    opCase("whole numbers", [whole([2, 2], [1, 2, 3, 4])], (x) => reshape(x, [4])),
  ],
  Transpose: [
    opCase("matrix", [normal("T", 4)], (x) => transpose(x, [1, 0])),
    opCase("heads before tokens", [normal("B", "T", 2, 3)], (x) => transpose(x, [0, 2, 1, 3])),
    opCase("a cycle of three axes", [normal(2, 3, 4)], (x) => transpose(x, [2, 0, 1])),
    opCase("rank 1", [normal(3)], (x) => transpose(x, [0])),
    opCase("reversed", [normal("B", 3, "T", 2)], (x) => transpose(x, [3, 2, 1, 0])),
    opCase("whole numbers", [whole([2, 3], [1, 2, 3, 4, 5, 6])], (x) => transpose(x, [1, 0])),
  ],
  Concat: [
    opCase("rows", [normal("P", 3), normal("T", 3)], (a, b) => concat([a, b], 0)),
    opCase("columns, negative axis", [normal("T", 3), normal("T", 1), normal("T", 2)], (a, b, c) =>
      concat([a, b, c], -1),
    ),
    opCase("middle axis", [normal("B", "P", 2), normal("B", "T", 2)], (a, b) => concat([a, b], 1)),
    opCase("one part", [normal(2, 3)], (a) => concat([a], 0)),
    opCase("the same part twice", [normal("T", 2)], (a) => concat([a, a], 0)),
    opCase("an empty part", [normal("P", 3), normal("T", 3)], (a, b) => concat([a, b], 0), { P: 0 }),
    opCase("whole numbers", [whole([2], [1, 2]), whole([1], [3])], (a, b) => concat([a, b], 0)),
  ],
  Slice: [
    opCase("numbers", [normal(5, 2)], (x) => slice(x, 0, 1, 4)),
    opCase("columns, negative axis", [normal("T", 6)], (x) => slice(x, -1, 2, 4)),
    opCase("from the start", [normal("T", 6)], (x) => slice(x, 1, 0, 2)),
    opCase("to the end", [normal("T", 6)], (x) => slice(x, 1, 4, 6)),
    opCase("the whole axis", [normal("T", 3)], (x) => slice(x, 0, 0, "T")),
    opCase("symbolic start and end", [normal("P", 2), normal("T", 2)], (a, b) =>
      slice(concat([a, b], 0), 0, "P", "P+T"),
    ),
    opCase("symbolic end", [normal("P", 2), normal("T", 2)], (a, b) => slice(concat([a, b], 0), 0, 0, "P")),
    opCase("all but the last", [normal("T", 2)], (x) => slice(x, 0, 0, "T-1")),
    opCase("all but the first", [normal("B", "T")], (x) => slice(x, 1, 1, "T")),
    opCase("a rest of no rows", [normal("P", 2), normal("T", 2)], (a, b) => slice(concat([a, b], 0), 0, "P", "P+T"), {
      P: 0,
    }),
    opCase("empty", [normal("T", 2)], (x) => slice(x, 0, 2, 2)),
    opCase("empty by its symbol", [normal("P"), normal("T", 2)], (_, x) => slice(x, 0, 0, "P"), { P: 0 }),
    opCase("rank 1", [normal(7)], (x) => slice(x, 0, 2, 5)),
    opCase("whole numbers", [whole([4], [4, 3, 2, 1])], (x) => slice(x, 0, 1, 3)),
  ],
  Expand: [
    opCase("row to matrix", [normal(1, 4), normal("T")], (x) => expand(x, ["T", 4])),
    opCase("a new leading axis", [normal("B"), normal("T", 2)], (_, x) => expand(x, ["B", "T", 2])),
    opCase("a scalar", [normal()], (x) => expand(x, [2, 3])),
    opCase("a middle axis", [normal("B", 1, 4), normal("T")], (x) => expand(x, ["B", "T", 4])),
    opCase("several axes", [normal("S"), normal(1, 2, 1), normal("T")], (_s, x) => expand(x, ["S", 2, "T"])),
    opCase("to no elements", [normal("P"), normal(1, 2)], (_, x) => expand(x, ["P", 2]), { P: 0 }),
    opCase("whole numbers", [whole([1], [7])], (x) => expand(x, [3])),
  ],
  Gather: [
    opCase("repeated rows", [normal("S", 3), whole(["T"], [2, 0, 2])], rowsOf),
    opCase("indices of rank 2", [normal(5, 2), whole(["B", "T"], [4, 4, 0, 1, 2, 4])], rowsOf),
    opCase("one index", [normal(5, 2), whole([], [3])], rowsOf),
    opCase("elements of a vector", [normal("S"), whole([2, 2], [3, 0, 0, 1])], rowsOf),
    opCase("planes", [normal("S", 2, 2), whole(["T"], [1, 1, 3])], rowsOf),
    opCase("no rows", [normal(4, 2), whole(["P"], [])], rowsOf, { P: 0 }),
    opCase("rows of a product", [normal("S", 3), whole([2], [1, 3])], (x, rows) => gather(mul(x, x), rows)),
    opCase("whole numbers", [whole([3], [10, 20, 30]), whole([2], [2, 0])], rowsOf),
    opCase("repeated columns", [normal("T", 5), whole([3], [4, 0, 4])], (x, columns) => gather(x, columns, 1)),
    opCase("a middle axis, negative", [normal(2, "S", 3), whole([2, 2], [3, 0, 0, 1])], (x, at) => gather(x, at, -2)),
  ],
  ScatterND: [
    opCase("repeated rows", [normal("S", 3), whole(["T", 1], [2, 0, 2]), normal("T", 3)], scatterAdd),
    opCase("one row", [normal(4, 2), whole([1, 1], [3]), normal(1, 2)], scatterAdd),
    opCase("elements of a vector", [normal("S"), whole([3, 1], [1, 1, 1]), normal(3)], scatterAdd),
    opCase("planes", [normal("S", 2, 2), whole(["T", 1], [0, 3, 0]), normal("T", 2, 2)], scatterAdd),
    opCase("no rows", [normal(4, 2), whole(["P", 1], []), normal("P", 2)], scatterAdd, { P: 0 }),
  ],
} as const satisfies Record<string, readonly OpCase[]>;

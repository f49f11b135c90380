import { constant, fill, integers } from "../../../src/graph/build.ts";
import { apply } from "../../../src/graph/node.ts";
import { normal, opCase, type OpCase } from "./case.ts";

export const leafCases = {
  Constant: [
    opCase("a number", [], () => constant(-1.5)),
    opCase("whole numbers", [], () => integers([3, -1, 2 ** 40])),
    opCase("a matrix", [], () => apply("Constant", [], { dtype: "float32", dims: [2, 2], values: [1, 2, 3, 4] })),
    opCase("booleans", [], () => apply("Constant", [], { dtype: "bool", dims: [3], values: [1, 0, 1] })),
    opCase("float16", [], () => apply("Constant", [], { dtype: "float16", dims: [3], values: [0.5, -2, 1024] })),
    opCase("narrow integers", [], () => apply("Constant", [], { dtype: "int8", dims: [3], values: [-128, 0, 127] })),
    opCase("no values", [], () => integers([])),
  ],
  ConstantOfShape: [
    opCase("numbers", [], () => fill(2.5, [2, 3])),
    opCase("symbols", [normal("B"), normal("T")], () => fill(-1, ["B", "B*T+1", "T"])),
    opCase("scalar", [], () => fill(4, [])),
    opCase("no elements", [normal("P")], () => fill(1, ["P", 2]), { P: 0 }),
    opCase("whole numbers", [normal("T")], () =>
      apply("ConstantOfShape", [], { dtype: "int64", shape: ["T"], value: 7 }),
    ),
    opCase("booleans", [], () => apply("ConstantOfShape", [], { dtype: "bool", shape: [2], value: 1 })),
  ],
} as const satisfies Record<string, readonly OpCase[]>;

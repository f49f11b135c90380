import { describe, expect, test } from "vitest";
import { add, fill, gather, input, mul, scatterAdd, weight } from "../../../src/graph/build.ts";
import { defineGraph } from "../../../src/graph/graph.ts";
import { array64 } from "../../../src/graph/interpreter/array.ts";
import { interpret } from "../../../src/graph/interpreter/interpreter.ts";
import { apply } from "../../../src/graph/node.ts";
import type { OpName } from "../../../src/graph/operators.ts";
import { expectClose } from "../compare.ts";
import { errorOf } from "../error-of.ts";
import { type Example, examples } from "./examples.ts";

describe.each(Object.entries(examples))("%s by hand", (op, list) => {
  test.each<Example>([...list])("$attributes", ({ attributes, inputs, result }) => {
    const nodes = inputs.map(({ dtype, dims }, i) => input(`x${i}`, dtype, dims));
    const y = apply(op as OpName, nodes, attributes);
    const feeds = inputs.map(({ dims, values }, i) => [`x${i}`, array64(dims, values)] as const);
    expect({ dtype: y.dtype, shape: y.shape }).toEqual({ dtype: result.dtype, shape: result.dims });
    expectClose(
      interpret(defineGraph(op, { y }), Object.fromEntries(feeds)),
      { y: array64(result.dims, result.values) },
      1e-14,
    );
  });
});

describe("interpret", () => {
  const x = input("x", "float32", ["T", 2]);

  test("binds symbols from what is fed", () => {
    const y = add(x, fill(1, ["T", 1]));
    const graph = defineGraph("g", { y, x2: mul(x, weight("w", [2])) });
    const feeds = { x: array64([1, 2], [1, 2]), w: array64([2], [10, 100]) };
    expect(interpret(graph, feeds)).toEqual({ y: array64([1, 2], [2, 3]), x2: array64([1, 2], [10, 200]) });
  });

  test("an output may be an input", () => {
    expect(interpret(defineGraph("g", { y: x }), { x: array64([0, 2], []) })).toEqual({ y: array64([0, 2], []) });
  });

  test("a missing feed", () => {
    const error = errorOf(() => interpret(defineGraph("g", { y: x }), {}), "bad-argument");
    expect(error.message).toBe("x: input is not fed");
  });

  test.each([
    ["gather", () => gather(x, input("rows", "int64", [1]))],
    ["scatter", () => scatterAdd(x, input("rows", "int64", [1, 1]), fill(1, [1, 2]))],
  ])("%s: a row that is not there", (_, build) => {
    const graph = defineGraph("g", { y: build() });
    const dims = graph.inputs.find((node) => node.attributes.name === "rows")?.shape.map(Number) ?? [];
    for (const row of [-1, 3]) {
      const feeds = { x: array64([3, 2], [1, 2, 3, 4, 5, 6]), rows: array64(dims, [row]) };
      const error = errorOf(() => interpret(graph, feeds), "shape-mismatch");
      expect(error.facts.got).toBe(`[${row}, 0] in [3, 2]`);
    }
  });

  test("data that does not fill its shape", () => {
    errorOf(() => array64([2, 2], [1, 2, 3]), "shape-mismatch");
  });
});

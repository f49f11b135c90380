import { describe, expect, test } from "vitest";
import { differentiableOps } from "../../../src/graph/gradient/rules.ts";
import { interpret } from "../../../src/graph/interpreter/interpreter.ts";
import { caseList } from "../cases.ts";
import { caseGraphs } from "../cases/graphs.ts";
import { centralDifferences } from "../central-differences.ts";
import { expectClose } from "../compare.ts";

const differentiable = caseList.flatMap(({ op, opCase, seed }) => {
  const { forward, backward, feeds } = caseGraphs(opCase, seed);
  return backward === undefined ? [] : [{ op, title: opCase.title, forward, backward, feeds }];
});

describe("every gradient rule against central differences", () => {
  test.each(differentiable)("$op: $title", ({ forward, backward, feeds }) => {
    const expected = Object.keys(backward.outputs).map(
      (name) => [name, centralDifferences(forward, feeds, name.replace("d.", ""))] as const,
    );
    expectClose(interpret(backward, feeds), Object.fromEntries(expected), 1e-7);
  });

  test("each rule is reached by a case", () => {
    const reached = differentiable.map(({ op }) => op);
    expect(differentiableOps.filter((op) => !reached.includes(op))).toEqual([]);
  });
});

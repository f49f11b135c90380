import { describe, expect, test } from "vitest";
import { interpret } from "../../src/graph/interpreter/interpreter.ts";
import { caseList } from "./cases.ts";
import { caseGraphs } from "./cases/graphs.ts";
import { expectClose } from "./compare.ts";
import { runOnnxRuntime } from "./ort.ts";

describe.each(caseList)("$op: $opCase.title", ({ op, opCase, seed }) => {
  const { forward, backward, feeds } = caseGraphs(opCase, seed);
  const { tolerance = 1e-5 } = opCase;

  test("the case ends in its operator", () => {
    expect(forward.outputs.y?.op).toBe(op);
  });

  test("ONNX Runtime and interpreter agree", async () => {
    expectClose(await runOnnxRuntime(forward, feeds), interpret(forward, feeds), tolerance);
  });

  if (backward === undefined) return;
  test("ONNX Runtime and interpreter agree on the gradient", async () => {
    expectClose(await runOnnxRuntime(backward, feeds), interpret(backward, feeds), tolerance);
  });
});

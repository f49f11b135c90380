import { describe, test } from "vitest";
import { defineGraph } from "../../../src/graph/graph.ts";
import { interpret } from "../../../src/graph/interpreter/interpreter.ts";
import { centralDifferences } from "../central-differences.ts";
import { expectClose } from "../compare.ts";
import { compositions } from "../compositions.ts";
import { randomFeeds } from "../feeds.ts";
import { runOnnxRuntime } from "../ort.ts";
import { wholeGradient } from "../whole-gradient.ts";

describe.each(compositions)("$name", ({ name, outputs, wrt, symbols, feeds: given }) => {
  const forward = defineGraph(name, outputs);
  const backward = wholeGradient(outputs, wrt);
  const feeds = randomFeeds(backward, symbols, 7, given);
  const results = interpret(backward, feeds);

  test("reverse mode and central differences agree", () => {
    const expected = Object.keys(wrt).map((key) => [`d.${key}`, centralDifferences(forward, feeds, key)] as const);
    expectClose(results, Object.fromEntries(expected), 1e-7);
  });

  test("ONNX Runtime and interpreter agree", async () => {
    expectClose(await runOnnxRuntime(forward, feeds), interpret(forward, feeds), 1e-5);
    expectClose(await runOnnxRuntime(backward, feeds), results, 1e-5);
  });
});

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { input } from "../../src/graph/build.ts";
import { differentiableOps } from "../../src/graph/gradient/rules.ts";
import { defineGraph } from "../../src/graph/graph.ts";
import { array64, type Array64 } from "../../src/graph/interpreter/array.ts";
import { interpret } from "../../src/graph/interpreter/interpreter.ts";
import { apply } from "../../src/graph/node.ts";
import type { OpAttributes, OpName } from "../../src/graph/operators.ts";
import { cases } from "./cases.ts";
import { expectClose } from "./compare.ts";
import type { Literal } from "./interpreter/examples.ts";
import { wholeGradient } from "./whole-gradient.ts";

interface Golden {
  readonly op: OpName;
  readonly attributes: OpAttributes[OpName];
  readonly inputs: readonly Literal[];
  readonly result: Literal;
  readonly seed?: Literal;
  readonly gradients?: readonly (Literal | null)[];
}
const file = new URL("../golden/graph/operators.json", import.meta.url);
const golden = JSON.parse(readFileSync(file, "utf8")) as readonly Golden[];
const values = ({ dims, values }: Literal): Array64 => array64(dims, values);

describe("PyTorch computes the same in float64", () => {
  test.each(golden)("$op $attributes", ({ op, attributes, inputs, result, seed, gradients }) => {
    const nodes = inputs.map(({ dtype, dims }, i) => input(`x${i}`, dtype, dims));
    const feeds = Object.fromEntries(inputs.map((literal, i) => [`x${i}`, values(literal)]));
    const y = apply(op, nodes, attributes);
    expectClose(interpret(defineGraph(op, { y }), feeds), { y: values(result) }, 1e-13);
    if (seed === undefined || gradients === undefined) return;
    const wanted = gradients.flatMap((gradient, i) => (gradient === null ? [] : [[`x${i}`, gradient] as const]));
    const wrt = Object.fromEntries(nodes.filter((_, i) => gradients[i] !== null).map((x) => [x.attributes.name, x]));
    const backward = wholeGradient({ y }, wrt, nodes);
    const expected = Object.fromEntries(wanted.map(([name, gradient]) => [`d.${name}`, values(gradient)]));
    expectClose(interpret(backward, { ...feeds, "d.y": values(seed) }), expected, 1e-12);
  });

  test("every operator and every gradient is in it", () => {
    const ops = new Set<string>(golden.map(({ op }) => op));
    expect(Object.keys(cases).filter((op) => !ops.has(op))).toEqual([]);
    const withGradient = new Set<string>(golden.filter(({ gradients }) => gradients).map(({ op }) => op));
    expect(differentiableOps.filter((op) => !withGradient.has(op))).toEqual(["Cast"]);
  });
});

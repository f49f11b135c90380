import { describe, expect, test } from "vitest";
import { add, constant, fill, gather, input, mul, neg, reshape, slice, weight } from "../../src/graph/build.ts";
import type { Shape } from "../../src/graph/dims.ts";
import { defineGraph, type Graph, reachable } from "../../src/graph/graph.ts";
import { isOp, type Node } from "../../src/graph/node.ts";
import { symbolicSizes } from "../../src/graph/symbols.ts";
import { verify } from "../../src/graph/verify.ts";
import { errorOf } from "./error-of.ts";

/** A graph of these nodes as they are: nothing is checked. */
function unchecked(nodes: readonly Node[], outputs: Readonly<Record<string, Node>>): Graph {
  const inputs = nodes.filter((node) => isOp(node, "Input"));
  const weights = nodes.filter((node) => isOp(node, "Weight"));
  return { name: "broken", nodes, inputs, weights, outputs, sizes: symbolicSizes(nodes) };
}

const faultsOf = (graph: Graph): readonly string[] | undefined =>
  errorOf(() => {
    verify(graph);
  }, "invalid-graph").facts.faults;

const float = (name: string, ...shape: Shape): Node<"Input"> => input(name, "float32", shape);

describe("verify", () => {
  const x = float("x", "T", 4);

  test("takes graphs that defineGraph makes", () => {
    const graph = defineGraph("g", { y: add(x, weight("w", [4])), same: x });
    verify(graph);
    expect(graph.inputs).toEqual([x]);
    expect(graph.weights.map((node) => node.attributes.name)).toEqual(["w"]);
    expect(graph.nodes).toEqual(reachable([graph.outputs.y ?? x]));
  });

  test("a value used before it is computed", () => {
    const y = neg(x);
    expect(faultsOf(unchecked([y, x], { y }))).toEqual(["%0 Neg uses %1 before it is computed"]);
    expect(faultsOf(unchecked([y], { y }))).toEqual([
      "%0 Neg uses Input outside the graph before it is computed",
      'no input gives a value to the symbol "T"',
    ]);
  });

  test("a stored type that is not the inferred one", () => {
    const y: Node = { ...neg(x), shape: [4, "T"] };
    const z: Node = { ...neg(x), dtype: "int64" };
    expect(faultsOf(unchecked([x, y, z], { y, z }))).toEqual([
      "%1 Neg is stored as float32[4,T] but inferred as float32[T,4]",
      "%2 Neg is stored as int64[T,4] but inferred as float32[T,4]",
    ]);
  });

  test("operands that do not fit", () => {
    const y: Node = { ...add(x, x), inputs: [x, float("x3", 3)] };
    const z: Node = { ...neg(x), inputs: [] };
    const three = y.inputs[1] ?? x;
    expect(faultsOf(unchecked([x, three, y, z], { y, z }))).toEqual([
      "%2 Add does not take its inputs: Add: dimensions 4 and 3 do not broadcast; got float32[T,4], float32[3]",
      "%3 Neg does not take its inputs: Neg: takes 1 input; got no inputs",
    ]);
  });

  test("a dimension that is none", () => {
    const y: Node = { ...neg(x), op: "Reshape", attributes: { shape: ["4 T"] } };
    expect(faultsOf(unchecked([x, y], { y }))?.[0]).toMatch(/^%1 Reshape does not take its inputs: not a dimension;/);
  });

  test("names", () => {
    const y = add(add(x, float("x", 4)), float("", 4));
    expect(faultsOf(unchecked(reachable([y]), { x: y, "%3": y }))).toEqual([
      'two leaves are named "x"',
      '"" is no name: it is empty or starts with %',
      '"%3" is no name: it is empty or starts with %',
      'output "x" has the name of a leaf',
    ]);
  });

  test("one weight as two nodes", () => {
    const y = mul(weight("w", [4]), weight("w", [4]));
    expect(faultsOf(unchecked(reachable([y]), { y }))).toEqual(['two leaves are named "w"']);
  });

  test("an output outside the graph", () => {
    expect(faultsOf(unchecked([x], { y: neg(x) }))).toEqual(['output "y" is not in the graph']);
  });

  test("symbols without a source", () => {
    const rows = input("rows", "int64", ["K+1"]);
    const y = gather(x, rows);
    expect(faultsOf(unchecked(reachable([y]), { y }))).toEqual(['no input gives a value to the symbol "K"']);
    const z = fill(0, ["B*T", 2]);
    expect(faultsOf(unchecked([x, z], { z }))).toEqual(['no input gives a value to the symbol "B"']);
  });

  test("a symbol that only a slice uses", () => {
    const y = slice(x, 0, "P", "P+1");
    expect(faultsOf(unchecked([x, y], { y }))).toEqual(['no input gives a value to the symbol "P"']);
  });

  test("all faults at once, in one message", () => {
    const y: Node = { ...neg(x), shape: ["T"] };
    const graph = unchecked([y, x, float("x", 1)], { y, x: constant(1) });
    expect(
      errorOf(() => {
        verify(graph);
      }, "invalid-graph").message,
    ).toMatchInlineSnapshot(`
      "broken: graph breaks rules of the IR
        - %0 Neg uses %1 before it is computed
        - %0 Neg is stored as float32[T] but inferred as float32[T,4]
        - two leaves are named "x"
        - output "x" has the name of a leaf
        - output "x" is not in the graph"
    `);
  });

  test("shape inputs stay in the graph", () => {
    const past = float("past", "P", 4);
    errorOf(() => defineGraph("g", { y: reshape(fill(0, ["P", 4]), ["4*P"]) }), "invalid-graph");
    const graph = defineGraph("g", { y: fill(0, ["P", 4]) }, [past]);
    expect(graph.inputs).toEqual([past]);
    expect(graph.nodes).toContain(past);
  });
});

import { describe, expect, test } from "vitest";
import { add, concat, fill, input, rotaryEmbedding, slice, weight } from "../../src/graph/build.ts";
import { defineGraph } from "../../src/graph/graph.ts";
import { bindSymbols, missingSymbols, symbolicSizes } from "../../src/graph/symbols.ts";
import { errorOf } from "./error-of.ts";

const past = input("past", "float32", ["P", 4]);
const own = input("own", "float32", ["T", 4]);
const bias = input("bias", "float32", ["P+T"]);
const graph = defineGraph("step", {
  y: add(slice(concat([past, own], 0), 0, "P-1", "P+T-1"), weight("w", [4])),
  z: add(bias, fill(0, [1])),
});

const bind = (past: readonly number[], own: readonly number[], bias: readonly number[], w: readonly number[] = [4]) =>
  bindSymbols(graph, (name) => ({ past, own, bias, w })[name] ?? []);

test("symbolic sizes, each once", () => {
  expect(symbolicSizes(graph.nodes)).toEqual(["P", "T", "P+T", "P-1"]);
  expect(graph.sizes).toEqual(["P", "T", "P+T", "P-1"]);
});

test("symbols that no input has as a whole dimension", () => {
  expect(missingSymbols(["P+T", "2*K", 3], [past])).toEqual(["T", "K"]);
  expect(missingSymbols(["P+T"], [bias])).toEqual(["P", "T"]);
});

describe("bindSymbols", () => {
  test("takes values from whole dimensions, whatever the order", () => {
    expect(bind([2, 4], [3, 4], [5])).toEqual(new Map(Object.entries({ P: 2, T: 3 })));
    expect(bind([1, 4], [0, 4], [1])).toEqual(new Map(Object.entries({ P: 1, T: 0 })));
  });

  test("a polynomial that does not add up", () => {
    const error = errorOf(() => bind([2, 4], [3, 4], [6]), "shape-mismatch");
    expect(error.message).toBe('step, input "bias": fed shape does not fit; expected [P+T] P=2 T=3; got [6]');
  });

  test("a number that differs", () => {
    const error = errorOf(() => bind([2, 5], [3, 4], [5]), "shape-mismatch");
    expect(error.facts.where).toBe('step, input "past"');
    expect(errorOf(() => bind([2, 4], [3, 4], [5], [5]), "shape-mismatch").facts.where).toBe('step, input "w"');
  });

  test("another rank", () => {
    expect(errorOf(() => bind([2], [3, 4], [5]), "shape-mismatch").facts.got).toBe("[2]");
    expect(errorOf(() => bind([], [3, 4], [5]), "shape-mismatch").facts.got).toBe("[]");
    expect(errorOf(() => bind([2, 4, 1], [3, 4], [5]), "shape-mismatch").facts.got).toBe("[2, 4, 1]");
  });

  test("a polynomial read before the rank that breaks its symbol", () => {
    const early = defineGraph("early", { y: add(bias, 0), z: add(past, 0), w: add(own, 0) });
    const dims = { bias: [5], past: [2, 4], own: [] };
    const error = errorOf(() => bindSymbols(early, (name) => dims[name as keyof typeof dims]), "shape-mismatch");
    expect(error.facts.got).toBe("[]");
  });

  test("inputs that disagree", () => {
    const pair = defineGraph("pair", { y: add(own, input("x", "float32", ["T", 4])) });
    const error = errorOf(() => bindSymbols(pair, (name) => [name === "x" ? 2 : 3, 4]), "shape-mismatch");
    expect(error.message).toBe('pair, input "x": fed shape does not fit; expected [T, 4] T=3; got [2, 4]');
  });

  test("a size that becomes negative", () => {
    const error = errorOf(() => bind([0, 4], [3, 4], [3]), "shape-mismatch");
    expect(error.message).toBe("step: fed shapes make a size negative; expected P-1 of 0 or more; got P=0 T=3");
  });

  test("rotary tables that are shorter than the tokens", () => {
    const tables = [input("cos", "float32", ["R", 2]), input("sin", "float32", ["R", 2])] as const;
    const x = input("x", "float32", [1, 2, "T", 4]);
    const turned = rotaryEmbedding(x, input("rows", "int64", [1, "T"]), ...tables);
    const dims = (name: string): number[] => (name === "x" ? [1, 2, 3, 4] : name === "rows" ? [1, 3] : [2, 2]);
    const error = errorOf(() => bindSymbols(defineGraph("rotary", { turned }), dims), "shape-mismatch");
    expect(error.facts.expected).toBe("R-T of 0 or more");
  });

  test("a slice that ends beyond its axis", () => {
    const cut = defineGraph("cut", { y: slice(own, 0, 0, "P") }, [past]);
    const error = errorOf(() => bindSymbols(cut, (name) => [name === "past" ? 4 : 3, 4]), "shape-mismatch");
    expect(error.facts.expected).toBe("-P+T of 0 or more");
  });
});

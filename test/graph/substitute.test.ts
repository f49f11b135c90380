import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { add, exp, fill, input, mul, neg, sub, tanh } from "../../src/graph/build.ts";
import { defineGraph, reachable } from "../../src/graph/graph.ts";
import { array64 } from "../../src/graph/interpreter/array.ts";
import { interpret } from "../../src/graph/interpreter/interpreter.ts";
import type { Node } from "../../src/graph/node.ts";
import { substitute } from "../../src/graph/substitute.ts";
import { errorOf } from "./error-of.ts";

const x = input("x", "float32", ["T"]);
const y = input("y", "float32", ["T"]);
const one = <T>(list: readonly T[]): T => {
  const [first] = list;
  if (first === undefined) throw new Error("empty");
  return first;
};

describe("substitute", () => {
  test("keeps what does not depend on a key", () => {
    const left = exp(y);
    const root = add(left, neg(x));
    const rebuilt = one(substitute([root], new Map([[x, y]])));
    expect(rebuilt.op).toBe("Add");
    expect(rebuilt.inputs[0]).toBe(left);
    expect(reachable([rebuilt])).not.toContain(x);
    expect(one(substitute([left], new Map([[x, y]])))).toBe(left);
    expect(one(substitute([root], new Map()))).toBe(root);
  });

  test("a root that is a key", () => {
    expect(substitute([x, y], new Map([[x, y]]))).toEqual([y, y]);
  });

  test("a shared part is rebuilt once, for all roots", () => {
    const shared = neg(x);
    const [a, b] = substitute([exp(shared), add(shared, shared)], new Map([[x, y]]));
    expect(b?.inputs[0]).toBe(a?.inputs[0]);
    expect(b?.inputs[1]).toBe(a?.inputs[0]);
  });

  test("replacements are final: they are not replaced again", () => {
    expect(one(substitute([neg(x)], new Map([[x, exp(x)]]))).inputs[0]?.op).toBe("Exp");
    const [a, b] = substitute(
      [neg(x), neg(y)],
      new Map([
        [x, y],
        [y, x],
      ]),
    );
    expect([a?.inputs[0], b?.inputs[0]]).toEqual([y, x]);
  });

  test("a long chain", () => {
    let node: Node = x;
    for (let i = 0; i < 20_000; i++) node = neg(node);
    expect(reachable(substitute([node], new Map([[x, y]])))).toHaveLength(20_001);
  });

  test("a replacement of another shape is inferred again, or refused", () => {
    const wide = input("wide", "float32", ["B", "T"]);
    expect(one(substitute([neg(x)], new Map([[x, wide]]))).shape).toEqual(["B", "T"]);
    errorOf(() => substitute([add(x, y)], new Map([[x, fill(0, [3])]])), "shape-mismatch");
  });

  test("computes the same as feeding the replacement", () => {
    const ops = [add, sub, mul];
    const step = fc.tuple(fc.nat(), fc.nat(), fc.nat());
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), fc.nat(), (steps, pick) => {
        const nodes: Node[] = [x, y];
        for (const [op, a, b] of steps) {
          const [left, right] = [nodes[a % nodes.length] ?? x, nodes[b % nodes.length] ?? x];
          nodes.push(tanh((ops[op % ops.length] ?? add)(left, right)));
        }
        const key = nodes[pick % nodes.length] ?? x;
        const root = nodes.at(-1) ?? x;
        const z = input("z", "float32", ["T"]);
        const feeds = { x: array64([2], [0.5, -1]), y: array64([2], [2, 0.25]) };
        const run = (node: Node, more: Record<string, ReturnType<typeof array64>>) =>
          interpret(defineGraph("g", { out: node }, [x, y, z]), { ...feeds, z: feeds.x, ...more });
        const [cut = root] = substitute([root], new Map([[key, z]]));
        expect(reachable([cut]).includes(key)).toBe(false);
        expect(run(cut, { z: run(key, {}).out ?? feeds.x })).toEqual(run(root, {}));
      }),
    );
  });
});

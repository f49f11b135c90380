import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  add,
  cast,
  expand,
  fill,
  gather,
  input,
  mul,
  neg,
  reduceMean,
  rotaryEmbedding,
  tanh,
} from "../../../src/graph/build.ts";
import { unbroadcast } from "../../../src/graph/gradient/broadcast.ts";
import { gradients } from "../../../src/graph/gradient/reverse-mode.ts";
import { defineGraph } from "../../../src/graph/graph.ts";
import { array64 } from "../../../src/graph/interpreter/array.ts";
import { interpret } from "../../../src/graph/interpreter/interpreter.ts";
import type { Node } from "../../../src/graph/node.ts";
import { printGraph } from "../../../src/graph/print.ts";
import { errorOf } from "../error-of.ts";
import { randomFeeds } from "../feeds.ts";

const float = (name: string, ...shape: (number | string)[]): Node<"Input"> => input(name, "float32", shape);

function one(nodes: readonly Node[]): Node {
  const [node] = nodes;
  if (node === undefined || nodes.length !== 1) throw new Error("not one node");
  return node;
}

describe("gradients", () => {
  const x = float("x", "T", 3);
  const dy = float("dy", "T", 3);

  test("nothing flows into what is not used: zeros", () => {
    const idle = float("idle", 2, 2);
    const node = one(gradients([{ value: neg(x), gradient: dy }], [idle]));
    expect(interpret(defineGraph("g", { node }), {})).toEqual({ node: array64([2, 2], [0, 0, 0, 0]) });
  });

  test("nothing flows through positions, tables and comparisons", () => {
    const [heads, cos] = [float("heads", 1, 1, "T", 2), float("cos", "T", 1)];
    const turned = rotaryEmbedding(heads, input("positions", "int64", [1, "T"]), cos, float("sin", "T", 1));
    const node = one(gradients([{ value: turned, gradient: float("d", 1, 1, "T", 2) }], [cos]));
    expect(node.op).toBe("ConstantOfShape");
    const rows = cast(float("scores", "T"), "int64");
    const picked = gather(x, rows);
    expect(one(gradients([{ value: picked, gradient: dy }], [rows.inputs[0] ?? x])).op).toBe("ConstantOfShape");
  });

  test("a seed is the gradient of its own value", () => {
    expect(one(gradients([{ value: x, gradient: dy }], [x]))).toBe(dy);
  });

  test("seeds of one value add up, and those of inner values join what flows through", () => {
    const y = neg(x);
    const total = one(
      gradients(
        [
          { value: y, gradient: dy },
          { value: y, gradient: dy },
          { value: x, gradient: dy },
        ],
        [x],
      ),
    );
    const feeds = { dy: array64([1, 3], [1, 2, 3]) };
    expect(interpret(defineGraph("g", { total }), feeds).total?.data).toEqual(Float64Array.of(-1, -2, -3));
  });

  test("by an inner value", () => {
    const inner = mul(x, 3);
    const node = one(gradients([{ value: mul(inner, inner), gradient: dy }], [inner]));
    const feeds = { x: array64([1, 3], [1, 2, 3]), dy: array64([1, 3], [1, 1, 1]) };
    expect(interpret(defineGraph("g", { node }), feeds).node?.data).toEqual(Float64Array.of(6, 12, 18));
  });

  test("computes nothing for operands that are not asked for", () => {
    const w = float("w", 3);
    const dw = one(gradients([{ value: mul(tanh(x), w), gradient: dy }], [w]));
    expect(printGraph(defineGraph("dw", { dw }))).toMatchInlineSnapshot(`
      "dw {
        %0:float32[T,3] = Input() {name=x}
        %1:float32[T,3] = Input() {name=dy}
        %2:float32[T,3] = Tanh(%0)
        %3:float32[T,3] = Mul(%1, %2)
        %4:float32[1,3] = ReduceSum(%3) {axes=[0] keepDims=true}
        %5:float32[3] = Reshape(%4) {shape=[3]}
        return dw=%5
      }"
    `);
  });

  test("a mean over a symbolic axis counts its elements, one over numbers divides", () => {
    const y = reduceMean(reduceMean(float("x", "B", "T", 4), [0, 1]), [0]);
    const dx = one(gradients([{ value: y, gradient: float("dy") }], [y.inputs[0]?.inputs[0] ?? y]));
    const sized = [float("b", "B"), float("t", "T")];
    expect(printGraph(defineGraph("mean", { dx }, sized))).toMatchInlineSnapshot(`
      "mean {
        %0:float32[] = Input() {name=dy}
        %1:float32[] = Constant() {dims=[] values=[4]}
        %2:float32[] = Div(%0, %1)
        %3:float32[1] = Reshape(%2) {shape=[1]}
        %4:float32[4] = Expand(%3) {shape=[4]}
        %5:float32[B*T] = ConstantOfShape() {shape=[B*T] value=1}
        %6:float32[] = ReduceSum(%5) {axes=[0] keepDims=false}
        %7:float32[4] = Div(%4, %6)
        %8:float32[1,1,4] = Reshape(%7) {shape=[1,1,4]}
        %9:float32[B,T,4] = Expand(%8) {shape=[B,T,4]}
        %10:float32[B] = Input() {name=b}
        %11:float32[T] = Input() {name=t}
        return dx=%9
      }"
    `);
  });

  test("a mean's gradient is finite whatever the elements are", () => {
    const dx = one(gradients([{ value: reduceMean(x, [0]), gradient: float("d", 3) }], [x]));
    const feeds = { x: array64([2, 3], [NaN, Infinity, 0, 1, 2, 3]), d: array64([3], [2, 4, 6]) };
    expect(interpret(defineGraph("g", { dx }, [x]), feeds).dx?.data).toEqual(Float64Array.of(1, 2, 3, 1, 2, 3));
  });

  test("another shape or type is refused", () => {
    const wrong = errorOf(() => gradients([{ value: x, gradient: float("d", 3) }], [x]), "shape-mismatch");
    expect(wrong.facts).toMatchObject({ expected: "float32[T,3]", got: "float32[3]" });
    const ids = input("ids", "int64", ["T"]);
    errorOf(() => gradients([{ value: ids, gradient: ids }], [x]), "shape-mismatch");
    const error = errorOf(() => gradients([{ value: x, gradient: dy }], [ids]), "shape-mismatch");
    expect(error.message).toBe("Input: only float32 has gradients; got int64[T]");
  });
});

test("unbroadcast is the transpose of broadcasting", () => {
  // ⟨expand(x), g⟩ = ⟨x, unbroadcast(g)⟩ for all x and g.
  const dims = fc.array(fc.record({ dim: fc.integer({ min: 1, max: 3 }), cut: fc.boolean() }), { maxLength: 4 });
  fc.assert(
    fc.property(dims, fc.nat({ max: 4 }), fc.nat(), (axes, lead, seed) => {
      const large = axes.map(({ dim }) => dim);
      const small = axes.map(({ dim, cut }) => (cut ? 1 : dim)).slice(Math.min(lead, axes.length));
      const [x, g] = [float("x", ...small), float("g", ...large)];
      const graph = defineGraph("g", { wide: add(expand(x, large), fill(0, large)), narrow: unbroadcast(g, small) }, [
        x,
        g,
      ]);
      const feeds = randomFeeds(graph, {}, seed);
      const { wide, narrow } = interpret(graph, feeds);
      expect(narrow?.dims).toEqual(small);
      const dot = (a: Float64Array | undefined, b: Float64Array | undefined): number =>
        Array.from(a ?? []).reduce((sum, value, i) => sum + value * (b?.[i] ?? NaN), 0);
      expect(dot(wide?.data, feeds.g?.data)).toBeCloseTo(dot(feeds.x?.data, narrow?.data), 10);
    }),
  );
});

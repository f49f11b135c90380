import { describe, expect, test } from "vitest";
import {
  add,
  gather,
  gemm,
  input,
  logSoftmax,
  mul,
  neg,
  reduceSum,
  rmsNorm,
  slice,
  tanh,
} from "../../../src/graph/build.ts";
import { splitBackward, type SplitGraphs, type SplitOptions } from "../../../src/graph/gradient/split.ts";
import type { Graph } from "../../../src/graph/graph.ts";
import type { Array64 } from "../../../src/graph/interpreter/array.ts";
import { interpret } from "../../../src/graph/interpreter/interpreter.ts";
import type { Node } from "../../../src/graph/node.ts";
import { printGraph } from "../../../src/graph/print.ts";
import { expectClose } from "../compare.ts";
import { attentionBlock } from "../compositions.ts";
import { errorOf } from "../error-of.ts";
import { type Feeds, randomFeeds } from "../feeds.ts";
import { runOnnxRuntime } from "../ort.ts";
import { wholeGradient } from "../whole-gradient.ts";

const float = (name: string, ...shape: (number | string)[]): Node<"Input"> => input(name, "float32", shape);

/** An attention half and a feed-forward half, as in every block of a Llama. */
function transformerBlock() {
  const attention = attentionBlock();
  const { y: attended = float("never") } = attention.outputs;
  const weights = { gate: float("gate", 12, 8), up: float("up", 12, 8), down: float("down", 8, 12) };
  const rows = gather(attended, input("row", "int64", []));
  const normed = rmsNorm(rows, 1e-5, float("norm2", 8));
  const inner = mul(tanh(gemm(normed, weights.gate, { transB: true })), gemm(normed, weights.up, { transB: true }));
  const y = add(rows, gemm(inner, weights.down, { transB: true }));
  return {
    ...attention,
    outputs: { ...attention.outputs, y },
    wrt: { ...attention.wrt, ...weights },
    feeds: { ...attention.feeds, row: { dims: [], data: Float64Array.of(1) } },
  };
}
const block = transformerBlock();
const options: SplitOptions = { name: "block", outputs: block.outputs, wrt: block.wrt };

/** The forward graph, then the backward graph fed with what the forward one saved. */
function runSplit(split: SplitGraphs, feeds: Feeds): Record<string, Array64> {
  return interpret(split.backward, { ...feeds, ...interpret(split.forward, feeds) });
}

const savedOf = ({ forward, saved }: SplitGraphs): string[] =>
  saved.map((name) => {
    const { op, shape } = forward.outputs[name] ?? float("never");
    return `${name}: ${op} [${shape.join(",")}]`;
  });

describe("splitBackward", () => {
  const whole = wholeGradient(block.outputs, block.wrt);
  const feeds = randomFeeds(whole, block.symbols, 3, block.feeds);
  const expected = interpret(whole, feeds);
  const split = splitBackward(options);

  test("both halves together give the gradients of the whole", () => {
    expectClose(runSplit(split, feeds), expected, 1e-12);
  });

  test("the same on ONNX Runtime", async () => {
    const results = await runOnnxRuntime(split.forward, feeds);
    expectClose(results, interpret(split.forward, feeds), 1e-5);
    expectClose(await runOnnxRuntime(split.backward, { ...feeds, ...results }), expected, 1e-5);
  });

  test("saves projections, and of them only those that the backward graph needs", () => {
    expect(savedOf(split)).toMatchInlineSnapshot(`
      [
        "saved.0: Gemm [B*T,8]",
        "saved.1: Gemm [B*T,4]",
        "saved.2: Gemm [B*T,4]",
        "saved.3: Gemm [B*T,8]",
        "saved.4: Gemm [T,12]",
        "saved.5: Gemm [T,12]",
      ]
    `);
    expect(split.backward.inputs.map((node) => node.attributes.name)).toMatchInlineSnapshot(`
      [
        "x",
        "past.keys",
        "past.values",
        "wq",
        "wk",
        "wv",
        "wo",
        "norm",
        "bias",
        "positions",
        "cos",
        "sin",
        "gate",
        "up",
        "down",
        "row",
        "norm2",
        "d.y",
        "d.keys",
        "saved.0",
        "saved.1",
        "saved.2",
        "saved.3",
        "saved.4",
        "saved.5",
      ]
    `);
  });

  test("computes no projection of the forward graph again", () => {
    const count = (graph: Graph): number => graph.nodes.filter(({ op }) => op === "Gemm").length;
    // Each of them has two gradients.
    expect([count(split.forward), count(split.backward)]).toEqual([7, 14]);
  });

  test.each<{ save: NonNullable<SplitOptions["save"]> }>([
    { save: [] },
    { save: ["Softmax"] },
    { save: ["Gemm", "Softmax"] },
    { save: ["SimplifiedLayerNormalization", "MatMul", "Concat"] },
    { save: ["Add", "Mul", "Reshape", "Transpose", "RotaryEmbedding", "Gather"] },
    { save: ["Input"] },
  ])("saving $save changes no gradient", ({ save }) => {
    const other = splitBackward({ ...options, save });
    expect(other.saved.filter((name) => !save.some((op) => other.forward.outputs[name]?.op === op))).toEqual([]);
    expectClose(runSplit(other, feeds), expected, 1e-12);
  });

  test("only seeded outputs bring gradients", () => {
    const keysOnly = splitBackward({ ...options, seeded: ["keys"] });
    const names = keysOnly.backward.inputs.map((node) => node.attributes.name);
    expect(names).toContain("d.keys");
    expect(names).not.toContain("d.y");
    expectClose(runSplit(keysOnly, feeds), interpret(whole, { ...feeds, "d.y": zerosLike(feeds["d.y"]) }), 1e-12);
  });

  test("nothing is seeded: zeros", () => {
    const none = splitBackward({ ...options, seeded: [] });
    const results = runSplit(none, feeds);
    expect(Object.values(results).every(({ data }) => data.every((value) => value === 0))).toBe(true);
    expect(none.saved).toEqual([]);
  });
});

const zerosLike = (value: Array64 | undefined): Array64 => ({
  dims: value?.dims ?? [],
  data: new Float64Array(value?.data.length ?? 0),
});

describe("edges of splitBackward", () => {
  const x = float("x", "T", 4);
  const w = float("w", 4, 4);
  const feeds: Feeds = {};
  const run = (split: SplitGraphs, whole: ReturnType<typeof wholeGradient>) => {
    const fed = randomFeeds(whole, { T: 3 }, 5, feeds);
    expectClose(runSplit(split, fed), interpret(whole, fed), 1e-12);
  };

  test("an output that is an input", () => {
    const outputs = { same: x, y: neg(x) };
    const split = splitBackward({ name: "same", outputs, wrt: { x } });
    expect(printGraph(split.backward)).toMatchInlineSnapshot(`
      "same.backward {
        %0:float32[T,4] = Input() {name=d.same}
        %1:float32[T,4] = Input() {name=d.y}
        %2:float32[T,4] = Neg(%1)
        %3:float32[T,4] = Add(%0, %2)
        return d.x=%3
      }"
    `);
    run(split, wholeGradient(outputs, { x }));
  });

  test("an output that is saved as well", () => {
    const y = gemm(x, w);
    const outputs = { y, z: tanh(y) };
    const split = splitBackward({ name: "both", outputs, wrt: { x, w } });
    expect(split.forward.outputs["saved.0"]).toBe(y);
    run(split, wholeGradient(outputs, { x, w }));
  });

  test("an inner value as a wrt", () => {
    const hidden = gemm(x, w);
    const outputs = { y: logSoftmax(mul(hidden, hidden)) };
    run(splitBackward({ name: "inner", outputs, wrt: { hidden } }), wholeGradient(outputs, { hidden }));
  });

  test("an operand that nothing flows into", () => {
    const idle = float("idle", 2);
    const split = splitBackward({ name: "idle", outputs: { y: neg(x) }, wrt: { idle } });
    expect(interpret(split.backward, {})["d.idle"]?.data).toEqual(new Float64Array(2));
  });

  test("a forward input is asked for where only its shape is needed", () => {
    const rows = input("rows", "int64", ["K"]);
    const picked = gather(x, rows);
    const split = splitBackward({ name: "rows", outputs: { y: gemm(picked, w) }, wrt: { x } });
    expect(printGraph(split.backward)).toMatchInlineSnapshot(`
      "rows.backward {
        %0:float32[T,4] = Input() {name=x}
        %1:float32[4,4] = Input() {name=w}
        %2:int64[K] = Input() {name=rows}
        %3:float32[K,4] = Input() {name=d.y}
        %4:float32[K,4] = Gemm(%3, %1) {transA=false transB=true alpha=1}
        %5:float32[T,4] = ConstantOfShape() {shape=[T,4] value=0}
        %6:int64[K,1] = Reshape(%2) {shape=[K,1]}
        %7:float32[T,4] = ScatterND(%5, %6, %4) {reduction=add}
        return d.x=%7
      }"
    `);
    const total = splitBackward({ name: "sum", outputs: { loss: reduceSum(x, [0, 1]) }, wrt: { x } });
    expect(total.backward.inputs.map((node) => node.attributes.name)).toEqual(["x", "d.loss"]);
    run(total, wholeGradient({ loss: reduceSum(x, [0, 1]) }, { x }));
  });

  test("a symbol that comes with a slice", () => {
    const [past, own] = [float("past", "P", 4), float("own", "P+T", 4)];
    const outputs = { y: slice(own, 0, "P", "P+T"), z: neg(past), t: neg(x) };
    const split = splitBackward({ name: "cut", outputs, wrt: { own }, seeded: ["y"] });
    expect(split.backward.inputs.map((node) => node.attributes.name)).toEqual(["past", "d.y"]);
  });

  test("another node for one in the forward graph alone, in what is saved too", () => {
    const w = float("w", 4, 4);
    const inner = tanh(x);
    const saved = gemm(inner, w);
    const outputs = { y: tanh(saved) };
    const plain = splitBackward({ name: "f", outputs, wrt: { x } });
    const swapped = splitBackward({
      name: "f",
      outputs,
      wrt: { x },
      forwardInstead: new Map([[inner, neg(tanh(neg(x)))]]),
    });
    expect(printGraph(swapped.backward)).toBe(printGraph(plain.backward));
    expect(swapped.forward.nodes.filter(({ op }) => op === "Neg").length).toBe(2);
    expect(plain.forward.nodes.filter(({ op }) => op === "Neg").length).toBe(0);
    const feeds = randomFeeds(wholeGradient(outputs, { x }), { T: 3 }, 5);
    expectClose(runSplit(swapped, feeds), runSplit(plain, feeds), 1e-12);
  });

  test("a seed that is no output", () => {
    const wrong = () => splitBackward({ name: "f", outputs: { y: neg(x), z: x }, wrt: { x }, seeded: ["y", "loss"] });
    expect(errorOf(wrong, "bad-argument").message).toBe("f: a seeded output does not exist; expected y, z; got loss");
  });

  test("names that clash", () => {
    const reserved = () => splitBackward({ name: "f", outputs: { "saved.0": neg(x) }, wrt: { x } });
    expect(errorOf(reserved, "bad-argument").facts.got).toBe("saved.0");
    const clash = () => splitBackward({ name: "f", outputs: { h: tanh(x) }, wrt: { h: x } });
    expect(errorOf(clash, "invalid-graph").facts.faults).toEqual(['output "d.h" has the name of a leaf']);
  });

  test("an output without gradient cannot be seeded", () => {
    const ids = input("ids", "int64", ["T"]);
    errorOf(() => splitBackward({ name: "f", outputs: { y: neg(x), same: ids }, wrt: { x } }), "shape-mismatch");
    const split = splitBackward({ name: "f", outputs: { y: neg(x), same: ids }, wrt: { x }, seeded: ["y"] });
    expect(Object.keys(split.forward.outputs)).toEqual(["y", "same"]);
  });
});

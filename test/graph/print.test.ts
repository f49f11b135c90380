import { expect, test } from "vitest";
import {
  concat,
  gather,
  gemm,
  input,
  integers,
  lessOrEqual,
  matMul,
  mul,
  reduceSum,
  reshape,
  rmsNorm,
  slice,
  softmax,
  transposeLast,
  weight,
  where,
} from "../../src/graph/build.ts";
import { gradients } from "../../src/graph/gradient/reverse-mode.ts";
import { defineGraph } from "../../src/graph/graph.ts";
import { printGraph } from "../../src/graph/print.ts";

test("an embedding and a projection", () => {
  const x = gather(weight("embed", [100, 8]), input("ids", "int64", ["T"]));
  const y = gemm(rmsNorm(x, 1e-6, weight("norm", [8])), weight("head", [100, 8]), { transB: true });
  expect(printGraph(defineGraph("logits", { y, hidden: x }))).toMatchInlineSnapshot(`
    "logits {
      %0:float32[100,8] = Weight() {name=embed}
      %1:int64[T] = Input() {name=ids}
      %2:float32[T,8] = Gather(%0, %1) {axis=0}
      %3:float32[8] = Weight() {name=norm}
      %4:float32[T,8] = SimplifiedLayerNormalization(%2, %3) {epsilon=0.000001}
      %5:float32[100,8] = Weight() {name=head}
      %6:float32[T,100] = Gemm(%4, %5) {transA=false transB=true alpha=1}
      return y=%6, hidden=%2
    }"
  `);
});

test("attention over a cache", () => {
  const [queries, keys] = [input("queries", "float32", ["T", 8]), input("keys", "float32", ["T", 8])];
  const all = concat([input("past", "float32", ["P", 8]), keys], 0);
  const scores = mul(matMul(queries, transposeLast(all)), 0.5);
  const seen = lessOrEqual(input("positions", "int64", ["P+T"]), reshape(input("own", "int64", ["T"]), ["T", 1]));
  const weights = softmax(where(seen, scores, -1e9));
  expect(printGraph(defineGraph("attention", { weights, seen: slice(weights, -1, 0, "P") }))).toMatchInlineSnapshot(`
    "attention {
      %0:float32[T,8] = Input() {name=queries}
      %1:float32[T,8] = Input() {name=keys}
      %2:float32[P,8] = Input() {name=past}
      %3:float32[P+T,8] = Concat(%2, %1) {axis=0}
      %4:float32[8,P+T] = Transpose(%3) {perm=[1,0]}
      %5:float32[T,P+T] = MatMul(%0, %4)
      %6:float32[] = Constant() {dims=[] values=[0.5]}
      %7:float32[T,P+T] = Mul(%5, %6)
      %8:int64[P+T] = Input() {name=positions}
      %9:int64[T] = Input() {name=own}
      %10:int64[T,1] = Reshape(%9) {shape=[T,1]}
      %11:bool[T,P+T] = LessOrEqual(%8, %10)
      %12:float32[] = Constant() {dims=[] values=[-1000000000]}
      %13:float32[T,P+T] = Where(%11, %7, %12)
      %14:float32[T,P+T] = Softmax(%13)
      %15:float32[T,P] = Slice(%14) {axis=-1 start=0 end=P}
      return weights=%14, seen=%15
    }"
  `);
});

test("a gradient", () => {
  const [x, w] = [input("x", "float32", ["T", 2]), input("w", "float32", [2])];
  const [dx, dw] = gradients([{ value: mul(x, w), gradient: input("dy", "float32", ["T", 2]) }], [x, w]);
  expect(printGraph(defineGraph("backward", { dx: dx ?? x, dw: dw ?? w }))).toMatchInlineSnapshot(`
    "backward {
      %0:float32[T,2] = Input() {name=x}
      %1:float32[2] = Input() {name=w}
      %2:float32[T,2] = Input() {name=dy}
      %3:float32[T,2] = Mul(%2, %1)
      %4:float32[T,2] = Mul(%2, %0)
      %5:float32[1,2] = ReduceSum(%4) {axes=[0] keepDims=true}
      %6:float32[2] = Reshape(%5) {shape=[2]}
      return dx=%3, dw=%6
    }"
  `);
});

test("constants and axes", () => {
  const picked = gather(input("x", "float32", ["B", "T"]), integers([1, 0]));
  expect(printGraph(defineGraph("sum", { y: reduceSum(picked, [0, -1]) }))).toMatchInlineSnapshot(`
    "sum {
      %0:float32[B,T] = Input() {name=x}
      %1:int64[2] = Constant() {dims=[2] values=[1,0]}
      %2:float32[2,T] = Gather(%0, %1) {axis=0}
      %3:float32[] = ReduceSum(%2) {axes=[0,-1] keepDims=false}
      return y=%3
    }"
  `);
});

test("the print does not depend on what was built before", () => {
  const build = () => printGraph(defineGraph("g", { y: mul(input("x", "float32", ["T"]), 2) }));
  expect(build()).toBe(build());
});

import {
  add,
  concat,
  equal,
  erf,
  exp,
  fill,
  gather,
  gemm,
  input,
  integers,
  layerNorm,
  logSoftmax,
  matMul,
  mul,
  neg,
  reduceMean,
  reduceSum,
  reshape,
  rmsNorm,
  rotaryEmbedding,
  scatterAdd,
  sigmoid,
  slice,
  softmax,
  sub,
  tanh,
  transpose,
  transposeLast,
  where,
} from "../../src/graph/build.ts";
import type { Shape } from "../../src/graph/dims.ts";
import { array64 } from "../../src/graph/interpreter/array.ts";
import type { Node } from "../../src/graph/node.ts";
import type { Feeds } from "./feeds.ts";

/** A function as models and losses are made of. */
export interface Composition {
  readonly name: string;
  readonly outputs: Readonly<Record<string, Node>>;
  readonly wrt: Readonly<Record<string, Node>>;
  readonly symbols: Readonly<Record<string, number>>;
  /** Inputs that are not drawn: indices, masks. */
  readonly feeds: Feeds;
}

const float = (name: string, ...shape: Shape): Node => input(name, "float32", shape);
const vector = (...values: readonly number[]) => array64([values.length], values);
const NO_FEEDS: Feeds = {};

function mlp(): Composition {
  const [x, up, down, bias] = [float("x", "T", 4), float("up", 6, 4), float("down", 4, 6), float("bias", 6)];
  const wide = gemm(x, up, { transB: true, addend: bias });
  const gelu = mul(mul(wide, 0.5), add(erf(mul(wide, Math.SQRT1_2)), 1));
  const y = add(x, gemm(gelu, down, { transB: true }));
  return { name: "mlp", outputs: { y }, wrt: { x, up, down, bias }, symbols: { T: 3 }, feeds: NO_FEEDS };
}

/** Grouped-query attention with rotary positions over a cache and a residual: E = 8, 4 query heads and 2 key heads of 2. */
export function attentionBlock(): Composition {
  const x = float("x", "B", "T", 8);
  const past = { keys: float("past.keys", "B", 2, "P", 2), values: float("past.values", "B", 2, "P", 2) };
  const [wq, wk, wv, wo] = [float("wq", 8, 8), float("wk", 4, 8), float("wv", 4, 8), float("wo", 8, 8)];
  const [normScale, bias] = [float("norm", 8), float("bias", "B", 1, "T", "P+T")];
  const positions = input("positions", "int64", ["B", "T"]);
  const [cos, sin] = [float("cos", 16, 1), float("sin", 16, 1)];
  const rows = reshape(rmsNorm(x, 1e-5, normScale), ["B*T", 8]);
  const heads = (w: Node, count: number): Node =>
    transpose(reshape(gemm(rows, w, { transB: true }), ["B", "T", count, 2]), [0, 2, 1, 3]);
  const queries = rotaryEmbedding(heads(wq, 4), positions, cos, sin);
  const keys = concat([past.keys, rotaryEmbedding(heads(wk, 2), positions, cos, sin)], 2);
  const values = concat([past.values, heads(wv, 2)], 2);
  const grouped = reshape(queries, ["B", 2, "2*T", 2]);
  const scores = mul(matMul(grouped, transposeLast(keys)), Math.SQRT1_2);
  const biased = add(reshape(scores, ["B", 4, "T", "P+T"]), bias);
  const weights = reshape(softmax(biased), ["B", 2, "2*T", "P+T"]);
  const mixed = reshape(matMul(weights, values), ["B", 4, "T", 2]);
  const merged = reshape(transpose(mixed, [0, 2, 1, 3]), ["B*T", 8]);
  const y = add(x, reshape(gemm(merged, wo, { transB: true }), ["B", "T", 8]));
  return {
    name: "attention",
    outputs: { y, keys: slice(keys, 2, "P", "P+T") },
    wrt: { x, wq, wk, wv, wo, norm: normScale, "past.keys": past.keys, "past.values": past.values },
    symbols: { B: 2, T: 3, P: 2 },
    feeds: { positions: array64([2, 3], [5, 9, 15, 0, 0, 1]) },
  };
}

function crossEntropy(): Composition {
  const [x, head, targets] = [float("x", "T", 4), float("head", 7, 4), input("targets", "int64", ["T"])];
  const logProbs = logSoftmax(gemm(x, head, { transB: true }));
  const isTarget = equal(reshape(targets, ["T", 1]), integers([0, 1, 2, 3, 4, 5, 6]));
  const loss = neg(reduceMean(reduceSum(where(isTarget, logProbs, 0), [-1]), [0]));
  return {
    name: "cross-entropy",
    outputs: { loss },
    wrt: { x, head },
    symbols: { T: 3 },
    feeds: { targets: vector(6, 0, 6) },
  };
}

/** λ · KL(p‖q) + (1 − λ) · KL(q‖p), averaged over answer tokens. */
function twoWayKl(): Composition {
  const [student, teacher] = [float("student", "M", 5), float("teacher", "M", 5)];
  const [logP, logQ] = [logSoftmax(teacher), logSoftmax(student)];
  const kl = (a: Node, b: Node): Node => reduceSum(mul(exp(a), sub(a, b)), [-1]);
  const loss = reduceMean(add(mul(kl(logP, logQ), 0.6), mul(kl(logQ, logP), 0.4)), [0], true);
  return { name: "two-way KL", outputs: { loss }, wrt: { student }, symbols: { M: 3 }, feeds: NO_FEEDS };
}

function normChain(): Composition {
  const [x, scale, bias] = [float("x", "T", 6), float("scale", 6), float("bias", 6)];
  let y = x;
  for (let i = 0; i < 3; i++) y = add(x, tanh(rmsNorm(layerNorm(y, 1e-5, scale, bias), 1e-5, scale)));
  return { name: "norm chain", outputs: { y }, wrt: { x, scale, bias }, symbols: { T: 3 }, feeds: NO_FEEDS };
}

function usedTwice(): Composition {
  const [x, w] = [float("x", "T", 3), float("w", 3)];
  const shared = mul(x, w);
  return {
    name: "a node used many times",
    outputs: { y: add(mul(shared, shared), sub(x, tanh(shared))), shared },
    wrt: { x, w },
    symbols: { T: 2 },
    feeds: NO_FEEDS,
  };
}

/** An adapter that acts on kept tokens only, and gated keys of those tokens. */
function routing(): Composition {
  const [x, a, b] = [float("x", "S", 4), float("a", 2, 4), float("b", 4, 2)];
  const [scores, kept] = [float("scores", "S"), input("kept", "int64", ["K"])];
  const update = gemm(gemm(gather(x, kept), a, { transB: true }), b, { transB: true, alpha: 0.5 });
  const routed = add(x, scatterAdd(fill(0, ["S", 4]), reshape(kept, ["K", 1]), update));
  const gate = reshape(sigmoid(gather(scores, kept)), ["K", 1]);
  return {
    name: "routing and gate",
    outputs: { y: tanh(routed), keys: mul(gather(routed, kept), gate) },
    wrt: { x, a, b, scores },
    symbols: { S: 6, K: 3 },
    feeds: { kept: vector(0, 2, 5) },
  };
}

export const compositions: readonly Composition[] = [
  mlp(),
  attentionBlock(),
  crossEntropy(),
  twoWayKl(),
  normChain(),
  usedTwice(),
  routing(),
];

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ModelProtoSchema } from "../../../src/formats/onnx/onnx_pb.ts";
import {
  add,
  concat,
  constant,
  fill,
  gather,
  gemm,
  input,
  mul,
  neg,
  reshape,
  slice,
  weight,
} from "../../../src/graph/build.ts";
import { defineGraph, type Graph } from "../../../src/graph/graph.ts";
import { array64 } from "../../../src/graph/interpreter/array.ts";
import { interpret } from "../../../src/graph/interpreter/interpreter.ts";
import type { Node } from "../../../src/graph/node.ts";
import { writeOnnx } from "../../../src/graph/onnx/writer.ts";
import { expectClose } from "../compare.ts";
import { errorOf } from "../error-of.ts";
import { type Feeds, randomFeeds } from "../feeds.ts";
import { runOnnxRuntime } from "../ort.ts";

const x = input("x", "float32", ["T", 4]);
const decode = (graph: Graph) => fromBinary(ModelProtoSchema, writeOnnx(graph));

async function expectAgreement(graph: Graph, feeds: Feeds): Promise<void> {
  expectClose(await runOnnxRuntime(graph, feeds), interpret(graph, feeds), 1e-6);
}

describe("writeOnnx", () => {
  test("names, types and symbolic dimensions of inputs and outputs", () => {
    const past = input("past", "float32", ["P", 4]);
    const rows = input("rows", "int64", ["P+T"]);
    const model = decode(defineGraph("step", { y: gather(concat([past, x], 0), rows) }));
    expect(model.irVersion).toBe(10n);
    expect(model.opsetImport.map(({ domain, version }) => [domain, version])).toEqual([
      ["", 21n],
      ["com.microsoft", 1n],
    ]);
    const shapes = [...(model.graph?.input ?? []), ...(model.graph?.output ?? [])].map(({ name, type }) => {
      const tensor = type?.value.case === "tensorType" ? type.value.value : undefined;
      return `${name}:${tensor?.elemType ?? ""}[${tensor?.shape?.dim.map(({ value }) => value.value).join(",") ?? ""}]`;
    });
    expect(shapes).toEqual(["x:1[T,4]", "past:1[P,4]", "rows:7[P+T]", "y:1[P+T,4]"]);
  });

  test("nodes carry the numbers of the printed graph", () => {
    const nodes = decode(defineGraph("g", { y: neg(mul(x, 2)) })).graph?.node ?? [];
    expect(nodes.map(({ name, input, opType, output }) => [name, opType, ...input, ...output])).toEqual([
      ["%2", "Mul", "x", "%1", "%2"],
      ["y", "Neg", "%2", "y"],
    ]);
  });

  test("the same graph gives the same bytes", () => {
    const build = (): Uint8Array => writeOnnx(defineGraph("g", { y: reshape(mul(x, 2), ["2*T", 2]) }));
    expect(build()).toEqual(build());
  });

  test("a shape is read and computed once", () => {
    const [a, b] = [reshape(x, ["2*T", 2]), fill(1, ["2*T", 2])];
    const ops = decode(defineGraph("g", { y: add(a, b), z: fill(0, ["T"]) })).graph?.node.map(({ opType }) => opType);
    expect(ops?.filter((op) => op === "Shape")).toHaveLength(1);
    expect(ops?.filter((op) => op === "Mul")).toHaveLength(1);
  });

  test("shape arithmetic", async () => {
    const sizes = [input("b", "float32", ["B"]), input("p", "float32", ["P"])];
    const outputs = {
      polynomial: fill(1, ["2*B*T+P-1", "B"]),
      difference: fill(2, ["T-B"]),
      rest: slice(x, 0, "T-B", "T-1"),
    };
    const graph = defineGraph("shapes", outputs, [x, ...sizes]);
    await expectAgreement(graph, randomFeeds(graph, { B: 2, T: 5, P: 3 }, 1));
  });

  test("outputs that are inputs, constants, or one value under two names", async () => {
    const y = neg(x);
    const graph = defineGraph("g", { same: x, y, again: y, number: constant(3), more: constant(4) });
    await expectAgreement(graph, { x: array64([1, 4], [1, 2, 3, 4]) });
  });

  test("names that look like inner ones", async () => {
    const names = ["v0", "v1", "shape[T,2]", "ints[0]", "dim T", "0"];
    const inputs = names.map((name) => input(name, "float32", ["T", 4]));
    const sum = inputs.reduce<Node>((a, b) => add(a, b), x);
    const graph = defineGraph("g", { v2: reshape(sum, ["2*T", 2]), "shape of v0": neg(sum) });
    await expectAgreement(graph, randomFeeds(graph, { T: 2 }, 1));
  });

  test("a symbol without source", () => {
    const y = fill(0, ["K"]);
    const graph: Graph = { name: "g", nodes: [y], inputs: [], weights: [], outputs: { y }, sizes: ["K"] };
    expect(errorOf(() => writeOnnx(graph), "invalid-graph").facts.got).toBe("K");
  });

  test("a value that is not in the graph", () => {
    const y = neg(x);
    const graph: Graph = { ...defineGraph("g", { y }), nodes: [y], inputs: [] };
    expect(errorOf(() => writeOnnx(graph), "invalid-graph").message).toMatch(/^%\d+ Input: value is not in the graph$/);
  });
});

describe("weights", () => {
  const [matrix, bias] = [weight("blocks.0.weight", [3, 4]), weight("blocks.0.bias", [3])];
  const graph = defineGraph("linear", { y: gemm(x, matrix, { transB: true, addend: bias }) });
  const feeds = randomFeeds(graph, { T: 2 }, 9);
  const floatBytes = (name: string) => Buffer.from(Float32Array.from(feeds[name]?.data ?? []).buffer);
  const stored = (offset: number, dims: readonly number[]) => ({ file: "weights.bin", offset, dims });
  let folder = "";

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "kv-distill-writer-"));
    const parts = [Buffer.alloc(5), floatBytes("blocks.0.bias"), floatBytes("blocks.0.weight"), Buffer.alloc(3)];
    await writeFile(join(folder, "weights.bin"), Buffer.concat(parts));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
  });

  test("not stored: they are inputs", async () => {
    await expectAgreement(graph, feeds);
  });

  test("stored: they are read from the file, at any offset", async () => {
    const files = new Map([
      ["blocks.0.bias", stored(5, [3])],
      ["blocks.0.weight", stored(17, [3, 4])],
    ]);
    const results = await runOnnxRuntime(graph, { x: feeds.x ?? array64([], []) }, { folder, files });
    expectClose(results, interpret(graph, feeds), 1e-6);
  });

  test("some of them stored", async () => {
    const files = new Map([["blocks.0.weight", stored(17, [3, 4])]]);
    expectClose(await runOnnxRuntime(graph, feeds, { folder, files }), interpret(graph, feeds), 1e-6);
  });

  test.each([[[4, 3]], [[12]], [[3, 4, 1]]])("stored with shape %j", (dims) => {
    const files = new Map([["blocks.0.weight", stored(17, dims)]]);
    expect(errorOf(() => writeOnnx(graph, files), "shape-mismatch").message).toBe(
      `blocks.0.weight: stored weight has another shape than the graph; expected [3, 4]; got [${dims.join(", ")}]`,
    );
  });
});

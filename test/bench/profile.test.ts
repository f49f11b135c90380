import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { classOf } from "../../src/bench/profile/classes.ts";
import { readTraces, summarise } from "../../src/bench/profile/summary.ts";
import { readTrace } from "../../src/bench/profile/trace.ts";
import { matMul, gemm, input, softmax } from "../../src/graph/build.ts";
import { defineGraph } from "../../src/graph/graph.ts";
import { writeOnnx } from "../../src/graph/onnx/writer.ts";
import { createRuntime } from "../../src/runtime/runtime.ts";
import { tensor } from "../../src/tensor/tensor.ts";

const event = (operator: string, dur: number, a: readonly number[] = [], y: readonly number[] = []) => ({
  cat: "Node",
  name: `${operator}_1_kernel_time`,
  dur,
  args: { op_name: operator, input_type_shape: [{ float: a }], output_type_shape: [{ float: y }] },
});
const TRACE = [
  { cat: "Session", name: "model_run", dur: 99 },
  event("MatMul", 10, [2, 3, 4], [2, 3, 5]),
  event("MatMul", 20, [2, 3, 4], [2, 3, 5]),
  { ...event("MatMul", 50), name: "MatMul_1_fence_before" },
  event("Gemm", 5, [7, 3], [3, 2]),
  event("Softmax", 15),
];

test("operators are added up; a product counts 2·M·N·K, transposed or not", () => {
  expect(readTrace(JSON.stringify(TRACE))).toEqual([
    { operator: "MatMul", microseconds: 30, calls: 2, flops: 2 * (2 * 2 * 3 * 5 * 4) },
    // A is [K, M], as in the gradient of a weight.
    { operator: "Gemm", microseconds: 5, calls: 1, flops: 2 * 3 * 2 * 7 },
    { operator: "Softmax", microseconds: 15, calls: 1, flops: 0 },
  ]);
});

test("a trace whose end is missing is read as far as it goes", () => {
  const lines = `[\n${TRACE.map((one) => JSON.stringify(one)).join(",\n")}`;
  const whole = readTrace(`${lines}\n]`);
  expect(readTrace(lines)).toEqual(whole);
  expect(readTrace(`${lines},\n`)).toEqual(whole);
  expect(readTrace(lines.slice(0, -10))).toEqual(whole.slice(0, 2));
});

test("shares add up over stages and over classes", () => {
  const stages = new Map([
    ["read", readTrace(JSON.stringify(TRACE))],
    ["loss", readTrace(JSON.stringify(TRACE.slice(5)))],
  ]);
  const summary = summarise(stages, 1, 1e9);
  expect(summary.operatorSeconds).toBeCloseTo(65e-6, 12);
  for (const rows of [summary.stages, summary.classes, summary.operators]) {
    expect(rows.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 12);
  }
  expect(summary.stages.map(({ name }) => name)).toEqual(["read", "loss"]);
  expect(summary.classes.map(({ name }) => name)).toEqual(["matrix products", "softmax"]);
  expect(summary.classes[0]?.productRate).toBeCloseTo((480 + 84) / 35e-6, 0);
  expect(summary.shareOfPeak).toBeCloseTo((480 + 84) / 65e-6 / 1e9, 12);
});

test("what was traced is no more than the peak", () => {
  const stages = new Map([["read", readTrace(JSON.stringify(TRACE))]]);
  const { peak, operators } = summarise(stages, 1, 1e3);
  expect(peak).toBe(Math.max(...operators.map(({ productRate }) => productRate ?? 0)));
  expect(peak).toBeGreaterThan(1e6);
});

test.each([
  ["FusedMatMul", "matrix products"],
  ["Softmax", "softmax"],
  ["Transpose", "copies"],
  ["Mul", "elementwise"],
  ["SomethingNew", "other"],
])("%s is of the class %s", (operator, name) => {
  expect(classOf(operator)).toBe(name);
});

test("a runtime leaves a trace of every program, closed or not, when it is closed", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kv-distill-trace-"));
  try {
    const runtime = await createRuntime({ threads: 1, profile: folder });
    const a = input("a", "float32", [3, 4]);
    const b = input("b", "float32", [4, 5]);
    const feeds = {
      a: tensor("float32", [3, 4], new Float32Array(12)),
      b: tensor("float32", [4, 5], new Float32Array(20)),
    };
    for (const [name, y] of Object.entries({ first: softmax(matMul(a, b)), "se/cond": gemm(a, b) })) {
      const program = await runtime.load({ name, bytes: writeOnnx(defineGraph(name, { y })) });
      await program.run(feeds);
      if (name === "first") await program.close();
    }
    await runtime.close();
    await writeFile(join(folder, "note.txt"), "not a trace");
    const traces = await readTraces(folder);
    expect([...traces.keys()]).toEqual(["first", "se-cond"]);
    for (const times of traces.values()) {
      expect(times.find(({ operator }) => ["MatMul", "Gemm"].includes(operator))?.flops).toBe(2 * 3 * 4 * 5);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

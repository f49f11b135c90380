import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRuntime, type RuntimeOptions, type Runtime } from "../../src/runtime/runtime.ts";
import { floats, ints } from "../../src/tensor/tensor.ts";
import { needsNoCuda } from "./cuda-libraries.ts";
import { errorOf } from "./expect-error.ts";
import { onesSummed, sumAndProduct } from "./models.ts";
import { onnxModel } from "./onnx-model.ts";

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

describe("options", () => {
  test("the defaults are the cpu and every core", async () => {
    const defaults = await createRuntime();
    expect(defaults.device).toBe("cpu");
    expect(defaults.threads).toBeGreaterThan(0);
    await defaults.close();
  });

  test("all faults are reported at once", async () => {
    const wrong = { device: "gpu", threads: 1.5, thread: 2 } as unknown as RuntimeOptions;
    const error = await errorOf(createRuntime(wrong), "bad-argument");
    expect(error.facts.faults).toEqual([
      "thread: no such option; there are device, threads, profile",
      'device: expected cpu, webgpu, cuda; got "gpu"',
      "threads: expected a whole number from 1; got 1.5",
    ]);
  });

  test.each([0, -1, NaN, Infinity, "2" as unknown as number])("%s threads are refused", async (threads) => {
    await errorOf(createRuntime({ threads }), "bad-argument");
  });
});

describe("feeds", () => {
  const a = floats([1, 3], [1, 2, 3]);

  test("names are checked first, all faults at once", async () => {
    const program = await runtime.load({ bytes: sumAndProduct, name: "sums" });
    const error = await errorOf(program.run({ a, c: a }), "bad-argument");
    expect(error.message).toContain("sums: ");
    expect(error.facts.faults).toEqual(["b: missing", "c: no such input; there are a, b"]);
  });

  test("element types and shapes name their inputs", async () => {
    const program = await runtime.load({ bytes: sumAndProduct });
    const error = await errorOf(
      program.run({ a: ints([1, 3], [1, 2, 3]), b: floats([3], [1, 2, 3]) }),
      "shape-mismatch",
    );
    expect(error.facts.faults).toEqual([
      "a: expected float32[n, 3]; got int64[1, 3]",
      "b: expected float32[n, 3]; got float32[3]",
    ]);
  });

  test("a named dimension has one size", async () => {
    const program = await runtime.load({ bytes: sumAndProduct });
    const b = floats([2, 3], [1, 2, 3, 4, 5, 6]);
    const error = await errorOf(program.run({ a, b }), "shape-mismatch");
    expect(error.facts.faults).toEqual(["b: n is 1 in an earlier input; got 2 in float32[2, 3]"]);
  });

  test("data fills its shape", async () => {
    const program = await runtime.load({ bytes: sumAndProduct });
    const error = await errorOf(program.run({ a, b: { ...a, dims: [2, 3] } }), "shape-mismatch");
    expect(error.facts.faults).toEqual(["b: float32[2, 3] needs 6 elements; got 3"]);
    await errorOf(runtime.upload({ ...a, dims: [2, 3] }), "shape-mismatch");
  });

  test("outputs to keep exist", async () => {
    const program = await runtime.load({ bytes: sumAndProduct });
    const error = await errorOf(program.runKeeping({ a, b: a }, ["sum", "quotient"]), "bad-argument");
    expect(error.facts.faults).toEqual(["quotient: no such output; there are sum, product"]);
  });

  test("resident feeds are checked, too", async () => {
    const program = await runtime.load({ bytes: sumAndProduct });
    const wide = await runtime.upload(floats([1, 4], [1, 2, 3, 4]));
    await errorOf(program.run({ a, b: wide }), "shape-mismatch");
  });

  test("released residents and another runtime's are refused", async () => {
    const program = await runtime.load({ bytes: sumAndProduct });
    const released = await runtime.upload(a);
    released.release();
    released.release();
    expect((await errorOf(program.run({ a, b: released }), "bad-argument")).message).toContain("program, b");
    await errorOf(runtime.download(released), "bad-argument");
    await errorOf(runtime.writeSlice(released, 0, 0, a), "bad-argument");
    const other = await createRuntime({ threads: 1 });
    await errorOf(program.run({ a, b: await other.upload(a) }), "bad-argument");
    await other.close();
  });

  test("a closed program runs no more, and may be closed again", async () => {
    const program = await runtime.load({ bytes: sumAndProduct });
    const last = program.run({ a, b: a });
    await program.close();
    await program.close();
    expect(await last).toHaveProperty("sum");
    expect((await errorOf(program.run({ a, b: a }), "bad-argument")).message).toContain("the program is closed");
  });
});

describe("the engine's failures", () => {
  test("a program that is none", async () => {
    const error = await errorOf(runtime.load({ bytes: Uint8Array.of(1, 2, 3), name: "broken" }), "engine");
    expect(error.message).toMatch(/^broken: ONNX Runtime failed; got .*protobuf parsing failed/);
  });

  test("an operator that does not exist", async () => {
    const value = { dtype: "float32", dims: [1] } as const;
    const bytes = onnxModel({
      inputs: { x: value },
      outputs: { y: value },
      nodes: [{ op: "Nope", in: ["x"], out: ["y"] }],
    });
    expect((await errorOf(runtime.load({ bytes }), "engine")).message).toContain("Nope");
  });

  test("a run that fails leaves the runtime usable", async () => {
    const bytes = onnxModel({
      inputs: { x: { dtype: "float32", dims: ["n"] }, shape: { dtype: "int64", dims: [1] } },
      outputs: { y: { dtype: "float32", dims: ["m"] } },
      nodes: [{ op: "Reshape", in: ["x", "shape"], out: ["y"] }],
    });
    const program = await runtime.load({ bytes });
    const x = floats([2], [1, 2]);
    expect((await errorOf(program.run({ x, shape: ints([1], [3]) }), "engine")).message).toContain("Reshape");
    expect(await program.run({ x, shape: ints([1], [-1]) })).toEqual({ y: x });
  });

  test("inputs of element types that tensors do not have", async () => {
    const bytes = onnxModel({
      inputs: { x: { dtype: "float64", dims: [1] } },
      outputs: { y: { dtype: "float32", dims: [1] } },
      nodes: [{ op: "Cast", in: ["x"], out: ["y"], ints: { to: 1 } }],
    });
    expect((await errorOf(runtime.load({ bytes }), "unsupported")).facts.faults).toEqual(["x: float64"]);
  });
});

describe("memory", () => {
  const tooMany = 2 ** 46;

  test("that a graph cannot have", async () => {
    const program = await runtime.load({ bytes: onesSummed });
    const one = floats([1], [1]);
    const error = await errorOf(program.run({ one, size: ints([1], [tooMany]) }), "out-of-memory");
    expect(error.facts.got).toBe("a request for 281 TB (281474976710656 bytes)");
    expect(await program.run({ one, size: ints([1], [5]) })).toEqual({ sum: floats([], [5]) });
  });

  test("that a resident cannot have", async () => {
    const error = await errorOf(runtime.allocate("float32", [2, tooMany / 2]), "out-of-memory");
    expect(error.facts.got).toContain("281 TB");
    await errorOf(runtime.allocate("float32", [2, -1]), "bad-argument");
  });
});

test("a missing device is named, with the devices there are", async (context) => {
  needsNoCuda(context);
  const error = await errorOf(createRuntime({ device: "cuda" }), "device-unavailable");
  expect(error.message).toContain("the device cuda is not available");
  expect(error.facts.hint).toMatch(/built in here: .*cpu.*; cpu always works/);
});

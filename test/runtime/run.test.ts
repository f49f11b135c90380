import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRuntime, type Resident, type Runtime } from "../../src/runtime/runtime.ts";
import { type DType, floats, ints, type Tensor, tensor, zeros } from "../../src/tensor/tensor.ts";
import { identity, products, sumAndProduct } from "./models.ts";

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createRuntime({ threads: 2 });
});
afterAll(() => runtime.close());

const a = floats([1, 3], [1, 2, 3]);
const b = floats([1, 3], [10, 20, 30]);
const sum = floats([1, 3], [11, 22, 33]);
const product = floats([1, 3], [10, 40, 90]);

function kept(residents: Readonly<Record<string, Resident>>, name: string): Resident {
  const resident = residents[name];
  if (resident === undefined) throw new Error(`no ${name}`);
  return resident;
}

describe("run", () => {
  test("names inputs and outputs and gives every output", async () => {
    const program = await runtime.load({ bytes: sumAndProduct });
    expect([program.inputs, program.outputs]).toEqual([
      ["a", "b"],
      ["sum", "product"],
    ]);
    expect(await program.run({ a, b })).toEqual({ sum, product });
  });

  test("the caller's arrays are copied when the call is made", async () => {
    const program = await runtime.load({ bytes: sumAndProduct });
    const all = Float32Array.of(9, 1, 2, 3, 9);
    const view = tensor("float32", [1, 3], all.subarray(1, 4));
    const running = program.run({ a: view, b });
    all.fill(-1);
    expect((await running).sum).toEqual(sum);
    expect(all).toHaveLength(5);
  });

  test("views of Node's shared Buffer pool are copied, too", async () => {
    const program = await runtime.load({ bytes: identity("uint8", 1) });
    const pooled = Buffer.from("pool");
    const { y } = await program.run({ x: tensor("uint8", [4], pooled) });
    expect(y?.data).toEqual(new Uint8Array(pooled));
    expect(pooled.toString()).toBe("pool");
  });

  const everyType: readonly Tensor[] = [
    floats([2], [-0.5, Infinity]),
    tensor("float16", [2], Uint16Array.of(0x3c00, 0xfc00)),
    ints([2], [2 ** 53 - 1, -1]),
    tensor("int32", [2], Int32Array.of(-5, 7)),
    tensor("uint8", [2], Uint8Array.of(0, 255)),
    tensor("int8", [2], Int8Array.of(-128, 127)),
    tensor("bool", [2], Uint8Array.of(0, 1)),
  ];
  test.each(everyType.map((value): [DType, Tensor] => [value.dtype, value]))("%s goes in and out", async (dtype, x) => {
    const program = await runtime.load({ bytes: identity(dtype, 1) });
    expect(await program.run({ x })).toEqual({ y: x });
    const resident = await runtime.upload(x);
    expect(await program.run({ x: resident })).toEqual({ y: x });
    expect(await runtime.download(resident)).toEqual(x);
  });

  test("scalars and empty tensors go in and out", async () => {
    const scalar = await runtime.load({ bytes: identity("float32", 0) });
    expect(await scalar.run({ x: floats([], [4]) })).toEqual({ y: floats([], [4]) });
    const empty = await runtime.load({ bytes: identity("float32", 3) });
    expect(await empty.run({ x: zeros("float32", [2, 0, 3]) })).toEqual({ y: zeros("float32", [2, 0, 3]) });
  });

  test("the same feeds give the same bits, in any session", async () => {
    const size = 96;
    const x = floats(
      [size, size],
      Array.from({ length: size * size }, (_, i) => Math.sin(i) / 10),
    );
    const first = await runtime.load({ bytes: products(size, 5) });
    const second = await runtime.load({ bytes: products(size, 5) });
    const once = await first.run({ x });
    expect(await first.run({ x })).toEqual(once);
    expect(await second.run({ x })).toEqual(once);
  });

  test("the event loop goes on during a run", async () => {
    const size = 768;
    const program = await runtime.load({ bytes: products(size, 20) });
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await program.run({ x: zeros("float32", [size, size]) });
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(3);
  });

  test("calls are executed in the order in which they are made", async () => {
    const slow = await runtime.load({ bytes: products(256, 10) });
    const fast = await runtime.load({ bytes: identity("float32", 1) });
    const state = await runtime.upload(floats([1], [0]));
    const done: string[] = [];
    const note = (name: string) => () => done.push(name);
    const read: Promise<Tensor | undefined>[] = [];
    const all = [slow.run({ x: zeros("float32", [256, 256]) }).then(note("slow"))];
    for (const value of [1, 2, 3]) {
      all.push(runtime.writeSlice(state, 0, 0, floats([1], [value])).then(note(`write ${value}`)));
      const run = fast.run({ x: state });
      read.push(run.then(({ y }) => y));
      all.push(run.then(note(`run ${value}`)));
    }
    state.release();
    await Promise.all(all);
    expect(done).toEqual(["slow", "write 1", "run 1", "write 2", "run 2", "write 3", "run 3"]);
    expect(await Promise.all(read)).toEqual([1, 2, 3].map((value) => floats([1], [value])));
  });
});

describe("residents", () => {
  test("some outputs stay, the others come back", async () => {
    const program = await runtime.load({ bytes: sumAndProduct });
    const { outputs, residents } = await program.runKeeping({ a, b }, ["product"]);
    expect(outputs).toEqual({ sum });
    expect(residents.product).toMatchObject({ dtype: "float32", dims: [1, 3] });
    expect(await runtime.download(kept(residents, "product"))).toEqual(product);
  });

  test("feed the next run, beside plain tensors, and outlive their program", async () => {
    const program = await runtime.load({ bytes: sumAndProduct });
    let state = await runtime.upload(a);
    for (let step = 0; step < 3; step++) {
      const { residents } = await program.runKeeping({ a: state, b }, ["sum", "product"]);
      state.release();
      state = kept(residents, "sum");
    }
    await program.close();
    expect(await runtime.download(state)).toEqual(floats([1, 3], [31, 62, 93]));
  });

  test("a run changes neither its resident feeds nor earlier outputs", async () => {
    const program = await runtime.load({ bytes: identity("float32", 2) });
    const x = await runtime.upload(a);
    const { residents } = await program.runKeeping({ x }, ["y"]);
    await runtime.writeSlice(x, 0, 0, b);
    expect(await runtime.download(kept(residents, "y"))).toEqual(a);
    expect(await runtime.download(x)).toEqual(b);
  });

  test("allocated ones are zero", async () => {
    expect(await runtime.download(await runtime.allocate("int64", [2, 3]))).toEqual(zeros("int64", [2, 3]));
  });
});

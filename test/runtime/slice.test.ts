import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createRuntime, type Runtime } from "../../src/runtime/runtime.ts";
import { copySlice } from "../../src/runtime/slice.ts";
import { elementCount, floats, type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { errorOf } from "./expect-error.ts";

/** What `copySlice` should do, element by element. */
function naiveSlice(target: Tensor<"float32">, axis: number, at: number, source: Tensor<"float32">): Tensor {
  const result = Float32Array.from(target.data);
  source.data.forEach((value, flat) => {
    let rest = flat;
    let place = 0;
    let stride = 1;
    for (let i = source.dims.length - 1; i >= 0; i--) {
      const dim = source.dims[i] ?? 1;
      place += ((rest % dim) + (i === axis ? at : 0)) * stride;
      rest = Math.floor(rest / dim);
      stride *= target.dims[i] ?? 1;
    }
    result[place] = value;
  });
  return tensor("float32", target.dims, result);
}

function counted(dims: readonly number[], from: number): Tensor<"float32"> {
  return floats(
    dims,
    Array.from({ length: elementCount(dims) }, (_, i) => from + i),
  );
}

const cases = fc
  .array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 })
  .chain((dims) => fc.record({ dims: fc.constant(dims), axis: fc.integer({ min: 0, max: dims.length - 1 }) }))
  .chain(({ dims, axis }) => {
    const size = dims[axis] ?? 0;
    const at = fc.integer({ min: 0, max: size });
    return at.chain((start) =>
      fc.record({
        dims: fc.constant(dims),
        axis: fc.constant(axis),
        at: fc.constant(start),
        rows: fc.integer({ min: 0, max: size - start }),
      }),
    );
  });

test("copySlice equals a loop over elements, on every axis", () => {
  fc.assert(
    fc.property(cases, ({ dims, axis, at, rows }) => {
      const target = counted(dims, 0);
      const source = counted(
        dims.map((dim, i) => (i === axis ? rows : dim)),
        1000,
      );
      const expected = naiveSlice(target, axis, at, source);
      copySlice(target, axis, at, source);
      expect(target).toEqual(expected);
    }),
  );
});

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

test("writeSlice writes tensors and residents of any element size", async () => {
  const cache = await runtime.allocate("int64", [2, 3, 2]);
  const rows = tensor("int64", [2, 1, 2], BigInt64Array.of(1n, 2n, 3n, 4n));
  await runtime.writeSlice(cache, 1, 0, rows);
  await runtime.writeSlice(cache, 1, 2, await runtime.upload(rows));
  expect(Array.from((await runtime.download(cache)).data, Number)).toEqual([1, 2, 0, 0, 1, 2, 3, 4, 0, 0, 3, 4]);
});

test("slices that do not fit are refused and change nothing", async () => {
  const cache = await runtime.allocate("float32", [2, 3]);
  const rows = floats([2, 2], [1, 2, 3, 4]);
  const refused = [
    [runtime.writeSlice(cache, 2, 0, rows), "bad-argument", "no such axis"],
    [runtime.writeSlice(cache, 1, 2, rows), "bad-argument", "expected a position from 0 to 1"],
    [runtime.writeSlice(cache, 1, -1, rows), "bad-argument", "outside the target"],
    [runtime.writeSlice(cache, 1, 0.5, rows), "bad-argument", "outside the target"],
    [runtime.writeSlice(cache, 0, 0, rows), "shape-mismatch", "expected float32[n, 3]; got float32[2, 2]"],
    [runtime.writeSlice(cache, 1, 0, floats([2], [1, 2])), "shape-mismatch", "expected float32[2, n]"],
    [
      runtime.writeSlice(cache, 1, 0, tensor("int32", [2, 1], Int32Array.of(1, 2))),
      "shape-mismatch",
      "got int32[2, 1]",
    ],
    [runtime.writeSlice(cache, 1, 0, { ...rows, dims: [2, 1] }), "shape-mismatch", "data does not fill the shape"],
  ] as const;
  for (const [promise, code, text] of refused) expect((await errorOf(promise, code)).message).toContain(text);
  expect(await runtime.download(cache)).toEqual(floats([2, 3], [0, 0, 0, 0, 0, 0]));
});

import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { RowPiece } from "../../src/runtime/messages.ts";
import { copyRows, takeRows } from "../../src/runtime/row-copy.ts";
import { createRuntime, type Runtime } from "../../src/runtime/runtime.ts";
import { asDType, elementCount, floats, type Tensor } from "../../src/tensor/tensor.ts";
import { errorOf } from "./expect-error.ts";

function counted(dims: readonly number[], from: number): Tensor<"float32"> {
  return floats(
    dims,
    Array.from({ length: elementCount(dims) }, (_, i) => from + i),
  );
}

/** What `copyRows` should do, element by element. */
function naiveCopy(target: Tensor<"float32">, source: Tensor<"float32">, pieces: readonly RowPiece[]): number[] {
  const result = Array.from(target.data);
  const [, heads = 0, targetRows = 0, width = 0] = target.dims;
  const sourceRows = source.dims[2] ?? 0;
  for (const { from, fromRow, to, toRow, rows } of pieces) {
    for (let head = 0; head < heads; head++) {
      for (let row = 0; row < rows; row++) {
        for (let i = 0; i < width; i++) {
          const at = ((from * heads + head) * sourceRows + fromRow + row) * width + i;
          result[((to * heads + head) * targetRows + toRow + row) * width + i] = source.data[at] ?? NaN;
        }
      }
    }
  }
  return result;
}

const size = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max });
const cases = fc
  .record({ heads: size(3), width: size(3), from: size(3), to: size(3), fromRows: size(4), toRows: size(4) })
  .chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      pieces: fc.array(
        fc.integer({ min: 0, max: Math.min(shape.fromRows, shape.toRows) }).chain((rows) =>
          fc.record({
            rows: fc.constant(rows),
            from: fc.integer({ min: 0, max: shape.from - 1 }),
            to: fc.integer({ min: 0, max: shape.to - 1 }),
            fromRow: fc.integer({ min: 0, max: shape.fromRows - rows }),
            toRow: fc.integer({ min: 0, max: shape.toRows - rows }),
          }),
        ),
        { maxLength: 4 },
      ),
    }),
  );

test("copyRows equals a loop over elements", () => {
  fc.assert(
    fc.property(cases, ({ shape: { heads, width, from, to, fromRows, toRows }, pieces }) => {
      const target = counted([to, heads, toRows, width], 0);
      const source = counted([from, heads, fromRows, width], 1000);
      const expected = naiveCopy(target, source, pieces);
      copyRows(target, source, pieces);
      expect(Array.from(target.data)).toEqual(expected);
    }),
  );
});

const taken = fc.record({ rows: size(9), width: size(3) }).chain((shape) =>
  fc.record({
    shape: fc.constant(shape),
    rows: fc.array(fc.integer({ min: 0, max: shape.rows - 1 }), { maxLength: 12 }),
  }),
);

test("takeRows equals a loop over elements, in any order and as often as a row is named", () => {
  fc.assert(
    fc.property(taken, ({ shape: { rows: all, width }, rows }) => {
      const source = counted([all, width], 0);
      const expected = rows.flatMap((row) => Array.from({ length: width }, (_, i) => row * width + i));
      const copy = takeRows(source, Int32Array.from(rows));
      expect(copy.dims).toEqual([rows.length, width]);
      expect(Array.from(asDType(copy, "float32").data)).toEqual(expected);
    }),
  );
});

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createRuntime({ threads: 1 });
});
afterAll(() => runtime.close());

test("copyRows copies every pair where the engine runs, and refuses what does not fit", async () => {
  const target = await runtime.allocate("float32", [2, 1, 3, 2]);
  const source = await runtime.upload(counted([1, 1, 2, 2], 5));
  const piece = { from: 0, fromRow: 1, to: 1, toRow: 2, rows: 1 };
  await runtime.copyRows([{ target, source, pieces: [piece] }]);
  expect(Array.from(asDType(await runtime.download(target), "float32").data)).toEqual([
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 8,
  ]);
  for (const wrong of [
    { to: 2 },
    { from: 1 },
    { toRow: 3 },
    { fromRow: 2 },
    { rows: 2 },
    { fromRow: -1 },
    { to: 0.5 },
  ]) {
    const error = await errorOf(
      runtime.copyRows([{ target, source, pieces: [{ ...piece, ...wrong }] }]),
      "bad-argument",
    );
    expect(error.message).toContain("rows outside an array");
  }
  const wide = await runtime.upload(counted([1, 1, 2, 3], 5));
  expect(
    (await errorOf(runtime.copyRows([{ target, source: wide, pieces: [piece] }]), "shape-mismatch")).message,
  ).toContain("float32[sequences, 1, rows, 2]");
  source.release();
  await errorOf(runtime.copyRows([{ target, source, pieces: [piece] }]), "bad-argument");
});

test("rows alone are downloaded, and none that is not there", async () => {
  const source = await runtime.upload(counted([1, 2, 3, 2], 0));
  expect(await runtime.download(source, Int32Array.of(1, 2, 5))).toEqual(floats([3, 2], [2, 3, 4, 5, 10, 11]));
  expect(await runtime.download(source, new Int32Array())).toEqual(floats([0, 2], []));
  for (const row of [-1, 6]) {
    const error = await errorOf(runtime.download(source, Int32Array.of(0, row)), "bad-argument");
    expect(error.message).toContain("no such row");
    expect(error.facts.got).toBe(String(row));
  }
  await errorOf(runtime.download(await runtime.upload(floats([], [1])), Int32Array.of(0)), "bad-argument");
});

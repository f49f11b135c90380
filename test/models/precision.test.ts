import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { gemm, input, weight } from "../../src/graph/build.ts";
import { defineGraph } from "../../src/graph/graph.ts";
import { array64, type Array64 } from "../../src/graph/interpreter/array.ts";
import { interpret } from "../../src/graph/interpreter/interpreter.ts";
import { compressIds } from "../../src/compress/compress.ts";
import { methodNamed } from "../../src/compress/methods/index.ts";
import { readingCache } from "../../src/generate/generate.ts";
import { logProbabilities } from "../../src/generate/sample.ts";
import { layerOf } from "../../src/models/host-layer.ts";
import type { LanguageModel } from "../../src/models/language-model.ts";
import { LayerCache } from "../../src/models/layer-cache.ts";
import { loadModel } from "../../src/models/load-model.ts";
import { SHORT_STEP } from "../../src/models/precision/precision.ts";
import { eightBitMatrix } from "../../src/models/precision/eight-bit.ts";
import { ROTATED_TOGETHER, rotateRows, rotation } from "../../src/models/precision/rotation.ts";
import { eightBitGraph, eightBitNames } from "../../src/models/precision/eight-bit-graph.ts";
import { BLOCK_SIZE, quantise } from "../../src/models/precision/quantise.ts";
import { quantisableMatrices } from "../../src/models/precision/products.ts";
import { partNames, quantisedGraph } from "../../src/models/precision/quantised-graph.ts";
import { randomFromSeed } from "../../src/util/random.ts";
import { errorOf } from "../runtime/expect-error.ts";
import { useTempHome } from "./temp-home.ts";
import { tinyModel } from "./tiny-models.ts";
import { wideModel } from "./wide-model.ts";

const files = useTempHome();

/** The numbers that a quantised matrix stands for. */
function dequantised(matrix: Float32Array, bits: 4 | 8): Float32Array {
  const { packed, scales, floors } = quantise(matrix, bits);
  return matrix.map((_, i) => {
    const block = Math.floor(i / BLOCK_SIZE);
    const byte = packed[Math.floor((i * bits) / 8)] ?? 0;
    const number = bits === 8 ? byte : (byte >> (4 * (i % 2))) & 15;
    return (number - 2 ** (bits - 1)) * (scales[block] ?? NaN) + (floors?.[block] ?? 0);
  });
}

const blocks = fc
  .array(fc.array(fc.float({ min: -8, max: 8, noNaN: true }), { minLength: BLOCK_SIZE, maxLength: BLOCK_SIZE }), {
    minLength: 1,
    maxLength: 4,
  })
  .map((all) => Float32Array.from(all.flat()));

describe("numbers in blocks", () => {
  test("are off by half a step at most", () => {
    fc.assert(
      fc.property(blocks, fc.constantFrom(4 as const, 8 as const), (matrix, bits) => {
        const back = dequantised(matrix, bits);
        for (let start = 0; start < matrix.length; start += BLOCK_SIZE) {
          const own = [...matrix.subarray(start, start + BLOCK_SIZE)];
          const step =
            bits === 4
              ? (Math.max(...own) - Math.min(...own)) / 15
              : Math.max(...own.map((one) => Math.abs(one))) / 127;
          own.forEach((value, i) => {
            expect(Math.abs(value - (back[start + i] ?? NaN))).toBeLessThanOrEqual(step * 0.5 + 1e-5);
          });
        }
      }),
    );
  });

  test("that came from blocks of 4 bits come back", () => {
    const random = randomFromSeed(3);
    const [least, step] = [Math.fround(-0.37), Math.fround(0.041)];
    const numbers = Array.from({ length: BLOCK_SIZE }, (_, i) => (i < 2 ? 15 * i : Math.floor(random.uniform(0, 16))));
    const stored = Float32Array.from(numbers, (number) => Math.fround(number * step) + least);
    const back = dequantised(stored, 4);
    stored.forEach((value, i) => {
      expect(back[i]).toBeCloseTo(value, 6);
    });
  });

  test("that are all zero stay zero", () => {
    const zeros = new Float32Array(BLOCK_SIZE);
    expect([...dequantised(zeros, 4), ...dequantised(zeros, 8)].every((value) => value === 0)).toBe(true);
  });
});

test("a quantised graph computes with the numbers that the blocks stand for", () => {
  const random = randomFromSeed(5);
  const numbers = (...dims: number[]): Array64 =>
    array64(
      dims,
      Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => Math.fround(random.normal())),
    );
  const x = input("x", "float32", ["T", 64]);
  const across = gemm(x, weight("out-in", [5, 64]), { transB: true, addend: weight("bias", [5]) });
  const graph = defineGraph("both", {
    y: across,
    z: gemm(x, weight("in-out", [64, 5])),
    small: gemm(x, weight("whole", [64, 64])),
    w: gemm(across, weight("odd", [3, 5]), { transB: true }),
  });
  const specs = quantisableMatrices(graph);
  // 5 numbers make no block.
  expect([...specs.keys()].sort()).toEqual(["in-out", "out-in", "whole"]);

  const feeds: Record<string, Array64> = { x: numbers(3, 64), bias: numbers(5), odd: numbers(3, 5) };
  const exact: Record<string, Array64> = { ...feeds };
  const rounded = quantisedGraph(graph, ({ name }) => (name === "whole" ? 8 : 4));
  for (const { name, rows, columns, transposed } of specs.values()) {
    const matrix = Float32Array.from(numbers(rows, columns).data);
    const bits = name === "whole" ? 8 : 4;
    const { packed, scales, floors = new Float32Array() } = quantise(matrix, bits);
    const names = partNames(name);
    feeds[names.packed] = array64([rows, columns / BLOCK_SIZE, 4 * bits], packed);
    feeds[names.scales] = array64([scales.length], scales);
    feeds[names.floors] = array64([rows, floors.length / rows], floors);
    const meant = dequantised(matrix, bits);
    exact[name] = transposed
      ? array64(
          [columns, rows],
          Array.from({ length: rows * columns }, (_, i) => meant[(i % rows) * columns + Math.floor(i / rows)] ?? NaN),
        )
      : array64([rows, columns], meant);
  }
  const [got, wanted] = [interpret(rounded, feeds), interpret(graph, exact)];
  for (const name of ["y", "z", "small", "w"]) {
    const most = Math.max(...(wanted[name]?.data ?? []).map(Math.abs));
    // x is rounded to 8 bits.
    wanted[name]?.data.forEach((value, i) => {
      expect(Math.abs(value - (got[name]?.data[i] ?? NaN))).toBeLessThan(0.02 * most);
    });
  }
});

describe("matrices of 8 bits a number", () => {
  const rows = 3;
  const columns = fc.integer({ min: 2, max: 9 });
  const matrices = columns.chain((width) =>
    fc.record({
      matrix: fc
        .array(fc.float({ min: -8, max: 8, noNaN: true }), { minLength: rows * width, maxLength: rows * width })
        .map((numbers) => Float32Array.from(numbers)),
      kept: fc.subarray([...Array(width).keys()], { minLength: 1 }),
    }),
  );

  test("are off by half a step at most, and exact where they are kept", () => {
    fc.assert(
      fc.property(matrices, fc.constantFrom("int8" as const, "uint8" as const), ({ matrix, kept }, type) => {
        const width = matrix.length / rows;
        const { values, scales, kept: exact } = eightBitMatrix(matrix, rows, kept, type, false);
        const numbers = type === "int8" ? new Int8Array(values.buffer) : values.map((value) => value - 128);
        const signed = Int8Array.from(numbers);
        for (let row = 0; row < rows; row++) {
          for (let column = 0; column < width; column++) {
            const value = matrix[row * width + column] ?? NaN;
            const own = (signed[column * rows + row] ?? NaN) * (scales[row] ?? NaN);
            const place = kept.indexOf(column);
            if (place < 0) expect(Math.abs(own - value)).toBeLessThanOrEqual((scales[row] ?? NaN) * 0.5 + 1e-6);
            else expect([own, exact[row * kept.length + place]]).toEqual([0, value]);
          }
        }
      }),
    );
  });

  test("are rotated but for what is kept: turned back they are what they were", () => {
    const width = 3 * ROTATED_TOGETHER;
    const random = randomFromSeed(15);
    const matrix = Float32Array.from({ length: width }, () => random.normal());
    // One large number alone would take all steps of a row for itself.
    matrix[40] = 60;
    const kept = [5, 70];
    const { values, scales, kept: exact } = eightBitMatrix(matrix, 1, kept, "int8", true);
    const back = Float32Array.from(new Int8Array(values.buffer), (value) => value * (scales[0] ?? NaN));
    rotateRows(back);
    matrix.forEach((value, i) => {
      // 32 errors of half a step at most, each over the root of 32.
      const bound = 0.5 * (scales[0] ?? NaN) * Math.sqrt(ROTATED_TOGETHER);
      expect(Math.abs((back[i] ?? NaN) - (kept.includes(i) ? 0 : value))).toBeLessThan(bound);
    });
    expect([...exact]).toEqual(kept.map((place) => matrix[place]));
    expect(scales[0]).toBeLessThan(60 / 127 / 4);
    const twice = matrix.slice();
    rotateRows(twice);
    expect(twice.reduce((sum, value) => sum + value ** 2, 0)).toBeCloseTo(
      matrix.reduce((sum, value) => sum + value ** 2, 0),
      1,
    );
    rotateRows(twice);
    twice.forEach((value, i) => {
      expect(value).toBeCloseTo(matrix[i] ?? NaN, 4);
    });
  });

  test("a rotation keeps lengths, is undone by itself, and is the product with its matrix", () => {
    const random = randomFromSeed(16);
    const numbers = Float32Array.from({ length: 2 * ROTATED_TOGETHER }, () => random.normal());
    const turned = numbers.slice();
    rotateRows(turned);
    expect(Math.hypot(...turned)).toBeCloseTo(Math.hypot(...numbers), 4);
    const matrix = rotation();
    turned.forEach((value, i) => {
      const [block, column] = [i - (i % ROTATED_TOGETHER), i % ROTATED_TOGETHER];
      let sum = 0;
      for (let k = 0; k < ROTATED_TOGETHER; k++)
        sum += (numbers[block + k] ?? NaN) * (matrix[k * ROTATED_TOGETHER + column] ?? NaN);
      expect(value).toBeCloseTo(sum, 4);
    });
    const entries = new Set([...matrix].map((value) => Math.abs(value).toFixed(6)));
    expect([...entries]).toEqual([(1 / Math.sqrt(ROTATED_TOGETHER)).toFixed(6)]);
    rotateRows(turned);
    turned.forEach((value, i) => {
      expect(value).toBeCloseTo(numbers[i] ?? NaN, 4);
    });
  });

  const ways = (["int8", "uint8"] as const).flatMap((type) => [[type, false] as const, [type, true] as const]);
  test.each(ways)("multiply as the numbers that they stand for: %s, rotated: %s", (type, rotated) => {
    const random = randomFromSeed(9);
    const [width, outputs, tokens] = [64, 5, 4];
    const kept = [3, 17, 40, 63];
    const numbers = (...dims: number[]): Array64 =>
      array64(
        dims,
        Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => Math.fround(random.normal())),
      );
    const x = input("x", "float32", ["T", width]);
    const spec = { transB: true, addend: weight("bias", [outputs]) };
    const graph = defineGraph("product", {
      y: gemm(x, weight("m", [outputs, width]), spec),
      z: gemm(x, weight("n", [2, width]), { transB: true }),
    });
    const feeds: Record<string, Array64> = {
      x: numbers(tokens, width),
      m: numbers(outputs, width),
      n: numbers(2, width),
      bias: numbers(outputs),
    };
    // What is kept is far larger than the rest, and one row is zero.
    for (let row = 0; row < tokens; row++)
      for (const place of kept) feeds.x?.data.fill(100 * row, row * width + place, row * width + place + 1);
    feeds.x?.data.fill(0, 0, width);
    const names = eightBitNames("m");
    const {
      values,
      scales,
      kept: columns,
    } = eightBitMatrix(Float32Array.from(feeds.m?.data ?? []), outputs, kept, type, rotated);
    feeds[names.values] = array64([width, outputs], type === "int8" ? new Int8Array(values.buffer) : values);
    feeds[names.scales] = array64([outputs], scales);
    feeds[names.kept] = array64([outputs, kept.length], columns);
    feeds[names.places] = array64([kept.length], kept);
    feeds[names.others] = array64(
      [width],
      Array.from({ length: width }, (_, i) => (kept.includes(i) ? 0 : 1)),
    );
    const rounded = eightBitGraph(
      graph,
      ({ name }) => (name === "m" ? { name, kept: kept.length, rotated } : undefined),
      type,
    );
    const [got, wanted] = [interpret(rounded, feeds), interpret(graph, feeds)];
    expect(got.z).toEqual(wanted.z);
    wanted.y?.data.forEach((value, i) => {
      // 64 products of numbers of about 1, each rounded to a hundredth.
      expect(Math.abs(value - (got.y?.data[i] ?? NaN))).toBeLessThan(i < outputs ? 1e-9 : 0.5);
    });
    expect(got.y).not.toEqual(wanted.y);
  });
});

test("a model without a matrix that divides into blocks is refused", async () => {
  await errorOf(loadModel(tinyModel("llama"), { precision: "int8" }), "unsupported");
});

describe.each(["qwen2", "gpt2"])("%s", (name) => {
  async function predictions(model: LanguageModel, ids: readonly number[]): Promise<Float64Array> {
    const cache = await model.newCache();
    const { data } = await model.forward({ ids, cache, logitRows: [ids.length - 1] });
    cache.release();
    return logProbabilities(data);
  }

  /** After rows of which head i has i + 1. */
  async function raggedPredictions(model: LanguageModel, ids: readonly number[]): Promise<Float64Array> {
    const { config, runtime } = model;
    const { numLayers, numKvHeads, headDim } = config;
    const random = randomFromSeed(23);
    const rows = (count: number): Float32Array => Float32Array.from({ length: count * headDim }, () => random.normal());
    const layers = Array.from({ length: numLayers }, (_, layer) =>
      layerOf(
        Array.from({ length: numKvHeads }, (_, head) => {
          const count = layer * numKvHeads + head + 1;
          return [{ keys: rows(count), values: rows(count) }];
        }),
        headDim,
      ),
    );
    const cache = await LayerCache.from(runtime, config, layers, 20);
    const { data } = await model.forward({ ids, cache, logitRows: [ids.length - 1] });
    cache.release();
    return logProbabilities(data);
  }

  function divergence(p: Float64Array, q: Float64Array): number {
    return p.reduce((sum, log, i) => sum + Math.exp(log) * (log - (q[i] ?? NaN)), 0);
  }

  test("steps come near float32, long ones at int8 too, and are float32 at int4; the copy is made once", async () => {
    const ids = Array.from({ length: SHORT_STEP + 1 }, (_, i) => (7 * i + 3) % 100);
    const folder = await wideModel(name, join(files.work(), "wide"));
    const exact = await loadModel(folder, { threads: 1 });
    const [short, long] = [await predictions(exact, ids.slice(1)), await predictions(exact, ids)];
    const ragged = await raggedPredictions(exact, ids.slice(1));
    await exact.close();
    for (const precision of ["int8", "int4"] as const) {
      const steps: string[] = [];
      const onProgress = ({ step }: { step: string }): void => void steps.push(step);
      const model = await loadModel(folder, { threads: 1, precision, onProgress });
      expect(model.precision).toBe(precision);
      expect(steps).toContain("quantise");
      const near = divergence(short, await predictions(model, ids.slice(1)));
      expect(near).toBeGreaterThan(0);
      expect(near).toBeLessThan(precision === "int8" ? 0.01 : 0.3);
      const read = await predictions(model, ids);
      const nearLong = divergence(long, read);
      if (precision === "int4") expect(read).toEqual(long);
      else {
        expect(nearLong).toBeGreaterThan(0);
        expect(nearLong).toBeLessThan(0.01);
      }
      const nearRagged = divergence(ragged, await raggedPredictions(model, ids.slice(1)));
      expect(nearRagged).toBeGreaterThan(0);
      expect(nearRagged).toBeLessThan(precision === "int8" ? 0.01 : 0.3);
      await model.close();

      const again: string[] = [];
      const second = await loadModel(folder, {
        threads: 1,
        precision,
        onProgress: ({ step }) => void again.push(step),
      });
      expect(again).not.toContain("quantise");
      await second.close();
    }
  });

  test("a cache says what it was computed in, and a model of any precision reads it", async () => {
    const ids = Array.from({ length: SHORT_STEP + 8 }, (_, i) => (7 * i + 3) % 100);
    const folder = await wideModel(name, join(files.work(), "wide"));
    const exact = await loadModel(folder, { threads: 1 });
    const options = { method: methodNamed("streaming", undefined), keep: { kind: "fraction", value: 0.5 } } as const;
    const cache = await compressIds(exact, ids, options);
    expect(cache.provenance).not.toHaveProperty("precision");
    for (const precision of ["int8", "int4"] as const) {
      const model = await loadModel(folder, { threads: 1, precision });
      const rounded = await compressIds(model, ids, options);
      await model.close();
      expect(rounded.provenance.precision).toBe(precision);
      expect(rounded.positions).toEqual(cache.positions);
      // Reading in float32 is that of int4 too.
      if (precision === "int4") expect(rounded.layers).toEqual(cache.layers);
      else expect(rounded.layers).not.toEqual(cache.layers);
      const rows = await readingCache(exact, rounded);
      const { data } = await exact.forward({ ids: [5], cache: rows, logitRows: [0] });
      rows.release();
      expect(data.every(Number.isFinite)).toBe(true);
    }
    await exact.close();
  });
});

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { dequantize } from "../../../src/formats/gguf/dequantize.ts";
import { GGML_TYPES, type GgmlType } from "../../../src/formats/gguf/ggml-types.ts";
import { optionalMetadata, requiredMetadata } from "../../../src/formats/gguf/lookup.ts";
import { openGguf } from "../../../src/formats/gguf/open.ts";
import { findGgufTensor, readGgufFloats } from "../../../src/formats/gguf/read.ts";
import { openSafetensors } from "../../../src/formats/safetensors/open.ts";
import { findEntry } from "../../../src/formats/safetensors/decode.ts";
import { readTensorBytes, readTensorFloats } from "../../../src/formats/safetensors/read.ts";

const golden = join(import.meta.dirname, "../../golden/gguf");
const small = await openGguf(join(golden, "small.gguf"));
const blocks = await openSafetensors(join(golden, "blocks.safetensors"));
const expected = JSON.parse(readFileSync(join(golden, "small.json"), "utf8")) as {
  metadata: Record<string, unknown>;
  tensors: Record<string, [type: string, shape: number[], offset: number, bytes: number]>;
};

const TYPES: readonly GgmlType[] = [
  "F32",
  "F16",
  "BF16",
  "Q4_0",
  "Q4_1",
  "Q5_0",
  "Q5_1",
  "Q8_0",
  "Q4_K",
  "Q5_K",
  "Q6_K",
];

/** Equal bit for bit, but for which NaN a NaN is. */
function firstDifference(got: Float32Array, wanted: Float32Array): unknown {
  if (got.length !== wanted.length) return `${got.length.toString()} elements, not ${wanted.length.toString()}`;
  const at = got.findIndex((value, i) => !Object.is(value, wanted[i]));
  return at < 0 ? "none" : { at, got: got[at], wanted: wanted[at] };
}

describe.each(TYPES)("%s", (type) => {
  test("random blocks decode as in gguf-py", async () => {
    const bytes = await readTensorBytes(findEntry(blocks, `${type}.bytes`));
    const wanted = await readTensorFloats(findEntry(blocks, `${type}.values`));
    expect(firstDifference(dequantize(type, bytes, type), wanted)).toBe("none");
  });

  test("the same from a file", async () => {
    const wanted = await readTensorFloats(findEntry(blocks, `${type}.values`));
    expect(firstDifference(await readGgufFloats(findGgufTensor(small, `${type}.weight`)), wanted)).toBe("none");
  });

  test("part of a block is refused", () => {
    const bytes = new Uint8Array(GGML_TYPES[type].blockBytes + 1);
    expect(() => dequantize(type, bytes, "t")).toThrow(/whole number of blocks/);
  });
});

test("other types are refused by name", () => {
  expect(() => dequantize("IQ4_NL", new Uint8Array(18), "t")).toThrow(/got IQ4_NL/);
});

test("all tensors lie where gguf-py finds them", () => {
  const found = [...small.tensors.values()].map((t) => [t.name, [t.type, t.shape, t.offset, t.byteLength]] as const);
  expect(Object.fromEntries(found)).toEqual(expected.tensors);
});

test("all metadata has the values that gguf-py reads", () => {
  const wholeAsText = (value: number | bigint | boolean | string, type: string): unknown =>
    typeof value === "bigint" || (typeof value === "number" && !type.startsWith("float")) ? value.toString() : value;
  const found = [...small.metadata].map(([key, entry]) => [
    key,
    entry.type === "array"
      ? entry.values.map((value) => wholeAsText(value, entry.of))
      : wholeAsText(entry.value, entry.type),
  ]);
  expect(Object.fromEntries(found)).toEqual(expected.metadata);
});

describe("looking up metadata", () => {
  test("each kind", () => {
    expect(requiredMetadata(small, "general.architecture", "string")).toBe("llama");
    expect(requiredMetadata(small, "t.bool", "boolean")).toBe(true);
    expect(requiredMetadata(small, "t.float32", "number")).toBe(Math.fround(1e-5));
    expect(requiredMetadata(small, "t.uint32", "number")).toBe(2 ** 32 - 1);
    expect(requiredMetadata(small, "t.int16", "integer")).toBe(-32768);
    expect(requiredMetadata(small, "tokenizer.ggml.tokens", "strings")).toEqual(["<s>", "Ġthe", "", "日本"]);
    expect(requiredMetadata(small, "tokenizer.ggml.token_type", "numbers")).toEqual([3, 1, 1, 1]);
    expect(requiredMetadata(small, "t.uint64s", "numbers")).toEqual([2 ** 40, 7]);
    expect(optionalMetadata(small, "none", "string")).toBeUndefined();
  });

  test("missing keys and other types are bad files", () => {
    expect(() => requiredMetadata(small, "none", "string")).toThrow(/none is missing/);
    expect(() => requiredMetadata(small, "t.uint64", "integer")).toThrow(/another type/);
    expect(() => requiredMetadata(small, "t.float32", "integer")).toThrow(/expected integer; got float32/);
    expect(() => optionalMetadata(small, "t.string", "number")).toThrow(/another type/);
    expect(() => optionalMetadata(small, "t.scores", "strings")).toThrow(/got array of float32/);
    expect(() => optionalMetadata(small, "t.bools", "numbers")).toThrow(/got array of bool/);
  });
});

test("a missing tensor and a missing file are not-found", async () => {
  expect(() => findGgufTensor(small, "none")).toThrow(/no such tensor/);
  await expect(openGguf(join(golden, "none.gguf"))).rejects.toMatchObject({ code: "not-found" });
});

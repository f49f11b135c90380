import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseGgufHeader, type GgufFile } from "../../../src/formats/gguf/header.ts";
import { GGUF_LIMITS } from "../../../src/formats/gguf/limits.ts";
import { isKvDistillError } from "../../../src/util/errors.ts";
import { buildGguf, entry, text, u32, u64, u8, type GgufPieces } from "./build-gguf.ts";

function parse(bytes: Uint8Array, limits = GGUF_LIMITS): GgufFile {
  const source = {
    size: bytes.length,
    read: (offset: number, length: number) => bytes.slice(offset, offset + length),
  };
  return parseGgufHeader(source, "f.gguf", limits);
}

describe("accepted headers", () => {
  test("shapes come outermost first, offsets from the start of the file", () => {
    const bytes = buildGguf({
      tensors: [
        { name: "b", dims: [4, 2], offset: 32 },
        { name: "a", dims: [8], offset: 0 },
        { name: "q", dims: [32, 3], type: 2, offset: 64 },
      ],
      dataBytes: 64 + 54,
    });
    const { tensors } = parse(bytes);
    const start = bytes.length - 118;
    expect(
      [...tensors.values()].map((t) => [t.name, t.type, t.shape, t.elements, t.offset - start, t.byteLength]),
    ).toEqual([
      ["b", "F32", [2, 4], 8, 32, 32],
      ["a", "F32", [8], 8, 0, 32],
      ["q", "Q4_0", [3, 32], 96, 64, 54],
    ]);
  });

  test("no tensors, no metadata, version 2, another alignment", () => {
    expect(parse(buildGguf({ version: 2 })).tensors.size).toBe(0);
    const aligned = buildGguf({
      entries: [entry("general.alignment", 4, u32(8))],
      tensors: [{ name: "a", dims: [1], offset: 8 }],
      dataBytes: 64,
    });
    expect(parse(aligned).tensors.get("a")?.offset).toBe(96 + 8);
  });

  test("strings longer than a read window, and one that ends where it ends", () => {
    const long = "x".repeat(3 << 20);
    const { metadata } = parse(buildGguf({ entries: [entry("a", 8, text(long)), entry("b", 8, text("end"))] }));
    expect(metadata.get("a")).toEqual({ type: "string", value: long });
    expect(metadata.get("b")).toEqual({ type: "string", value: "end" });
  });
});

const a8 = { name: "a", dims: [8] };
describe("refused headers", () => {
  const cases: Record<string, [pieces: GgufPieces, code: string, message: RegExp]> = {
    "another file": [{ magic: "GGML" }, "bad-file", /not a GGUF file/],
    "version 1": [{ version: 1 }, "unsupported", /version/],
    "big-endian": [{ version: 0x03000000 }, "unsupported", /little-endian/],
    "more tensors than the file holds": [{ tensorCount: 5 }, "bad-file", /ends inside name of tensor/],
    "too many tensors": [{ tensorCount: 2n ** 63n }, "too-large", /too many tensors/],
    "too many keys": [{ keyCount: 2n ** 64n - 1n }, "too-large", /too many metadata keys/],
    "huge string": [{ entries: [entry("k", 8, u64(2n ** 63n))] }, "too-large", /too many bytes of metadata/],
    "string past the end": [{ entries: [entry("k", 8, u64(1000))] }, "bad-file", /ends inside/],
    "huge array": [{ entries: [entry("k", 9, [...u32(0), ...u64(2n ** 40n)])] }, "too-large", /too many elements/],
    "array past the end": [{ entries: [entry("k", 9, [...u32(0), ...u64(1e6)])] }, "bad-file", /ends inside/],
    "strings past the end": [{ entries: [entry("k", 9, [...u32(8), ...u64(1e6)])] }, "bad-file", /ends inside/],
    "array of arrays": [{ entries: [entry("k", 9, [...u32(9), ...u64(1), ...u64(0)])] }, "unsupported", /array of arr/],
    "unknown value type": [{ entries: [entry("k", 13, u32(0))] }, "bad-file", /unknown value type/],
    "unknown element type": [{ entries: [entry("k", 9, [...u32(99), ...u64(0)])] }, "bad-file", /unknown value type/],
    "boolean 2": [{ entries: [entry("k", 7, u8(2))] }, "bad-file", /not a boolean/],
    "invalid UTF-8": [{ entries: [entry("k", 8, [...u64(1), 0xff])] }, "bad-file", /UTF-8/],
    "duplicate key": [{ entries: [entry("k", 0, u8(1)), entry("k", 0, u8(1))] }, "bad-file", /duplicate metadata/],
    "duplicate tensor": [{ tensors: [a8, { ...a8, offset: 32 }], dataBytes: 64 }, "bad-file", /duplicate tensor/],
    overlap: [{ tensors: [a8, { name: "b", dims: [8] }], dataBytes: 64 }, "bad-file", /overlap/],
    "partial overlap": [
      {
        tensors: [
          { name: "a", dims: [9] },
          { name: "b", dims: [1], offset: 32 },
        ],
        dataBytes: 64,
      },
      "bad-file",
      /overlap/,
    ],
    "past the end": [{ tensors: [a8], dataBytes: 31 }, "bad-file", /past the end/],
    "offset wraps 64 bits": [
      { tensors: [{ ...a8, offset: 2n ** 64n - 32n }], dataBytes: 64 },
      "bad-file",
      /past the end/,
    ],
    "offset not aligned": [{ tensors: [{ ...a8, offset: 4 }], dataBytes: 64 }, "bad-file", /not aligned/],
    "product overflows 64 bits": [
      { tensors: [{ name: "a", dims: [2n ** 32n, 2n ** 32n, 4] }], dataBytes: 64 },
      "too-large",
      /too large/,
    ],
    "product wraps to 0": [
      { tensors: [{ name: "a", dims: [2n ** 63n, 2n ** 63n, 2n ** 63n, 4] }], dataBytes: 64 },
      "too-large",
      /too large/,
    ],
    "a dimension of 0": [{ tensors: [{ name: "a", dims: [8, 0] }], dataBytes: 64 }, "bad-file", /is 0/],
    "five dimensions": [{ tensors: [{ name: "a", dims: [1, 1, 1, 1, 1] }], dataBytes: 64 }, "bad-file", /dimensions/],
    "part of a block": [
      { tensors: [{ name: "a", dims: [33], type: 2 }], dataBytes: 64 },
      "bad-file",
      /whole number of/,
    ],
    "unknown tensor type": [{ tensors: [{ ...a8, type: 4 }], dataBytes: 64 }, "unsupported", /unknown element type/],
    "long tensor name": [
      { tensors: [{ ...a8, name: "x".repeat(1025) }], dataBytes: 64 },
      "too-large",
      /too many bytes/,
    ],
    "alignment 0": [{ entries: [entry("general.alignment", 4, u32(0))] }, "bad-file", /alignment/],
    "alignment 3": [{ entries: [entry("general.alignment", 4, u32(3))] }, "bad-file", /alignment/],
    "huge alignment": [{ entries: [entry("general.alignment", 4, u32(1 << 30))] }, "bad-file", /alignment/],
    "alignment as text": [{ entries: [entry("general.alignment", 8, text("32"))] }, "bad-file", /alignment/],
  };
  test.each(Object.entries(cases))("%s", (_, [pieces, code, message]) => {
    const run = (): unknown => parse(buildGguf(pieces));
    expect(run).toThrow(message);
    expect(run).toThrow(expect.objectContaining({ code }) as Error);
  });

  test("a header over its limit", () => {
    const bytes = buildGguf({ entries: [entry("k", 8, text("x".repeat(500)))] });
    expect(() => parse(bytes, { ...GGUF_LIMITS, maxHeaderBytes: 100 })).toThrow(/over the limit/);
  });
});

describe("damage", () => {
  const whole = readFileSync(join(import.meta.dirname, "../../golden/gguf/small.gguf"));
  const intact = parse(whole);
  const headerBytes = Math.min(...[...intact.tensors.values()].map(({ offset }) => offset));
  const dataEnd = Math.max(...[...intact.tensors.values()].map(({ offset, byteLength }) => offset + byteLength));

  test("a file cut at any byte of its header or data is refused", () => {
    const sizes = [...Array(headerBytes).keys(), headerBytes + 100, dataEnd - 1];
    for (const size of sizes) {
      expect(() => parse(whole.subarray(0, size))).toThrow(expect.objectContaining({ code: "bad-file" }) as Error);
    }
    expect(() => parse(whole.subarray(0, dataEnd))).not.toThrow();
  });

  test("a flipped bit at any byte is a typed error or a header whose tensors lie inside the file", () => {
    for (let at = 0; at < headerBytes; at++) {
      for (const bit of [at % 8, (at + 4) % 8]) {
        const damaged = new Uint8Array(whole);
        damaged[at] = (damaged[at] ?? 0) ^ (1 << bit);
        try {
          const { tensors } = parse(damaged);
          for (const { offset, byteLength } of tensors.values()) {
            if (offset + byteLength > whole.length) throw new Error(`byte ${at.toString()} bit ${bit.toString()}`);
          }
        } catch (error) {
          if (!isKvDistillError(error)) throw error;
        }
      }
    }
  });
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseSafetensorsHeader, type SafetensorsHeader } from "../../../src/formats/safetensors/header.ts";
import { SAFETENSORS_LIMITS } from "../../../src/formats/safetensors/limits.ts";
import {
  encodeSafetensorsHeader,
  inFileOrder,
  tensorByteLength,
} from "../../../src/formats/safetensors/encode-header.ts";
import { SAFETENSORS_DTYPES, type SafetensorsDType } from "../../../src/formats/safetensors/dtypes.ts";
import { isKvDistillError } from "../../../src/util/errors.ts";

function parse(json: string, dataBytes: number, limits = SAFETENSORS_LIMITS): SafetensorsHeader {
  return parseSafetensorsHeader(new TextEncoder().encode(json), dataBytes, "f.safetensors", limits);
}

const tensor = (begin: number, end: number, shape = `[${((end - begin) / 4).toString()}]`): string =>
  `{"dtype":"F32","shape":${shape},"data_offsets":[${begin.toString()},${end.toString()}]}`;

describe("accepted headers", () => {
  test("tensors come in data order, with metadata", () => {
    const header = parse(`{"b":${tensor(8, 12)},"a":${tensor(0, 8)},"__metadata__":{"k":"v"}}  `, 12);
    expect(header.tensors.map((t) => [t.name, t.begin, t.end])).toEqual([
      ["a", 0, 8],
      ["b", 8, 12],
    ]);
    expect([...header.metadata]).toEqual([["k", "v"]]);
  });

  test("no tensors at all, scalars, and tensors without elements", () => {
    expect(parse("{}", 0).tensors).toEqual([]);
    const header = parse(`{"s":${tensor(0, 4, "[]")},"z":${tensor(0, 0, "[0,9007199254740991]")}}`, 4);
    expect(header.tensors.map((t) => t.name)).toEqual(["z", "s"]);
  });

  test("keys that objects treat specially are names like any other", () => {
    const header = parse(`{"__proto__":${tensor(0, 4)},"constructor":${tensor(4, 8)}}`, 8);
    expect(header.tensors.map((t) => t.name)).toEqual(["__proto__", "constructor"]);
  });
});

describe("refused headers", () => {
  const cases: Record<string, [json: string, dataBytes: number, code: string, message: RegExp]> = {
    "not an object": ["[]", 0, "bad-file", /begin with \{/],
    "leading space": [" {}", 0, "bad-file", /begin with \{/],
    "cut JSON": ['{"a":', 0, "bad-file", /not valid JSON/],
    "duplicate tensor": [`{"a":${tensor(0, 4)},"a":${tensor(4, 8)}}`, 8, "bad-file", /duplicate key/],
    "duplicate by escape": [`{"a":${tensor(0, 4)},"\\u0061":${tensor(4, 8)}}`, 8, "bad-file", /duplicate key/],
    "duplicate field": ['{"a":{"dtype":"F32","dtype":"F16","shape":[],"data_offsets":[0,4]}}', 4, "bad-file", /dupl/],
    "duplicate metadata": ['{"__metadata__":{"a":"1","a":"2"}}', 0, "bad-file", /duplicate key/],
    "nested too deep": [`{"a":${"[".repeat(100_000)}`, 0, "too-large", /nesting/],
    overlap: [`{"a":${tensor(0, 8)},"b":${tensor(4, 12)}}`, 12, "bad-file", /overlap/],
    "same bytes twice": [`{"a":${tensor(0, 8)},"b":${tensor(0, 8)}}`, 8, "bad-file", /overlap/],
    gap: [`{"a":${tensor(0, 4)},"b":${tensor(8, 12)}}`, 12, "bad-file", /gap/],
    "does not start at 0": [`{"a":${tensor(4, 8)}}`, 8, "bad-file", /gap/],
    "empty tensor inside another": [`{"a":${tensor(0, 8)},"z":${tensor(4, 4, "[0]")}}`, 8, "bad-file", /overlap/],
    "empty tensor past the end": [`{"a":${tensor(0, 8)},"z":${tensor(99, 99, "[0]")}}`, 8, "bad-file", /gap/],
    "file cut short": [`{"a":${tensor(0, 8)}}`, 7, "bad-file", /size differs/],
    "bytes after the data": [`{"a":${tensor(0, 8)}}`, 9, "bad-file", /size differs/],
    "shape too small": [`{"a":${tensor(0, 8, "[1]")}}`, 8, "bad-file", /do not fill/],
    "product overflows 64 bits to the right size": [
      `{"a":${tensor(0, 0, "[4294967296,4294967296]")}}`,
      0,
      "bad-file",
      /expected 73786976294838206464 bytes/,
    ],
    "product overflows doubles": [
      `{"a":${tensor(0, 8, `[${Array<string>(16).fill("9007199254740991").join(",")}]`)}}`,
      8,
      "bad-file",
      /do not fill/,
    ],
    "too many dimensions": [
      `{"a":${tensor(0, 4, `[${Array<string>(17).fill("1").join(",")}]`)}}`,
      4,
      "too-large",
      /dim/,
    ],
    "negative size": [`{"a":${tensor(0, 4, "[-1]")}}`, 4, "bad-file", /not a size/],
    "fractional size": [`{"a":${tensor(0, 4, "[1.5]")}}`, 4, "bad-file", /not a size/],
    "size beyond exact numbers": [`{"a":${tensor(0, 4, "[9007199254740993]")}}`, 4, "bad-file", /not a size/],
    "infinite size": [`{"a":${tensor(0, 4, "[1e999]")}}`, 4, "bad-file", /not a size/],
    "size as text": [`{"a":${tensor(0, 4, '["1"]')}}`, 4, "bad-file", /not a size/],
    "offsets backwards": [`{"a":{"dtype":"U8","shape":[0],"data_offsets":[4,0]}}`, 4, "bad-file", /\[begin, end\]/],
    "three offsets": [`{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4,4]}}`, 4, "bad-file", /\[begin, end\]/],
    "unknown element type": [`{"a":{"dtype":"F4","shape":[4],"data_offsets":[0,2]}}`, 2, "unsupported", /"F4"/],
    "element type from the prototype": [
      `{"a":{"dtype":"toString","shape":[4],"data_offsets":[0,4]}}`,
      4,
      "unsupported",
      /toString/,
    ],
    "missing field": [`{"a":{"dtype":"U8","shape":[4]}}`, 4, "bad-file", /data_offsets/],
    "unknown field": [`{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"x":1}}`, 4, "bad-file", /unknown key/],
    "metadata not text": [`{"__metadata__":{"a":1}}`, 0, "bad-file", /not a string/],
    "metadata not an object": [`{"__metadata__":["a"]}`, 0, "bad-file", /not an object/],
    "lone surrogate in a name": [`{"\\ud800":${tensor(0, 4)}}`, 4, "bad-file", /Unicode/],
  };
  test.each(Object.entries(cases))("%s", (_, [json, dataBytes, code, message]) => {
    const run = (): unknown => parse(json, dataBytes);
    expect(run).toThrow(message);
    expect(run).toThrow(expect.objectContaining({ code }) as Error);
  });

  test("invalid UTF-8", () => {
    const json = Uint8Array.of(0x7b, 0xff, 0x7d);
    expect(() => parseSafetensorsHeader(json, 0, "f", SAFETENSORS_LIMITS)).toThrow(/UTF-8/);
  });

  test("more tensors than the limit", () => {
    const json = `{"a":${tensor(0, 4)},"b":${tensor(4, 8)}}`;
    expect(() => parse(json, 8, { ...SAFETENSORS_LIMITS, maxTensors: 1 })).toThrow(/too many tensors/);
  });
});

const dtypes = Object.keys(SAFETENSORS_DTYPES) as SafetensorsDType[];
const descriptions = fc.uniqueArray(
  fc.record({
    name: fc.string({ unit: "grapheme" }),
    dtype: fc.constantFrom(...dtypes),
    shape: fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 4 }),
  }),
  { selector: (description) => description.name, maxLength: 8 },
);

test("what is written is read back", () => {
  fc.assert(
    fc.property(descriptions, fc.dictionary(fc.string({ unit: "grapheme" }), fc.string()), (tensors, metadata) => {
      fc.pre(tensors.every(({ name }) => name !== "__metadata__"));
      const ordered = inFileOrder(tensors);
      const bytes = encodeSafetensorsHeader(ordered, new Map(Object.entries(metadata)));
      expect(bytes.length % 8).toBe(0);
      const dataBytes = ordered.reduce((sum, description) => sum + tensorByteLength(description), 0);
      const header = parseSafetensorsHeader(bytes.subarray(8), dataBytes, "f", SAFETENSORS_LIMITS);
      const found = new Map(header.tensors.map(({ name, dtype, shape }) => [name, { name, dtype, shape }]));
      expect([...found.keys()].sort()).toEqual(tensors.map(({ name }) => name).sort());
      for (const description of tensors) expect(found.get(description.name)).toEqual(description);
      expect(new Map(header.metadata)).toEqual(new Map(Object.entries(metadata)));
    }),
  );
});

test("any damage to a header is a typed error or another valid header", () => {
  const ordered = inFileOrder([
    { name: "a", dtype: "F32", shape: [2, 3] },
    { name: "b", dtype: "U8", shape: [0] },
    { name: "c", dtype: "I64", shape: [1] },
  ]);
  const json = encodeSafetensorsHeader(ordered, new Map([["k", "v"]])).subarray(8);
  const outcome = (damaged: Uint8Array): void => {
    try {
      const { tensors } = parseSafetensorsHeader(damaged, 32, "f", SAFETENSORS_LIMITS);
      expect(tensors.reduce((sum, { begin, end }) => sum + end - begin, 0)).toBe(32);
    } catch (error) {
      if (!isKvDistillError(error)) throw error;
    }
  };
  for (let at = 0; at < json.length; at++) {
    outcome(json.subarray(0, at));
    for (let bit = 0; bit < 8; bit++) {
      const damaged = json.slice();
      damaged[at] = (damaged[at] ?? 0) ^ (1 << bit);
      outcome(damaged);
    }
  }
});

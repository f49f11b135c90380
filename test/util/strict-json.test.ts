import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseStrictJson } from "../../src/util/strict-json.ts";

const limits = { maxDepth: 8, maxKeys: 1000 };
const parse = (text: string): unknown => parseStrictJson(text, "f.json", limits);

test("whatever JSON.stringify writes is read as JSON.parse reads it", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), fc.constantFrom(undefined, 2), (value, indent) => {
      const text = JSON.stringify(value, null, indent);
      expect(parse(text)).toEqual(JSON.parse(text));
    }),
  );
});

test("whatever else there is: a typed error or JSON.parse's result", () => {
  const pieces = fc.constantFrom("{", "}", "[", "]", ":", ",", '"', "\\", '"a"', '"b"', "1", " ", "null", "\u0000");
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
      const text = parts.join("");
      let result: unknown;
      try {
        result = parse(text);
      } catch (error) {
        expect(error).toMatchObject({ code: expect.stringMatching(/bad-file|too-large/) as string });
        return;
      }
      expect(result).toEqual(JSON.parse(text));
    }),
    { numRuns: 2000 },
  );
});

describe("duplicate keys", () => {
  test.each([
    '{"a":1,"a":2}',
    '{"a":1,"\\u0061":2}',
    '[{"b":{"a":1 , "a" :2}}]',
    '{"a":{"x":1},"b":2,"a":3}',
    '{"":1,"":2}',
    '{"__proto__":1,"__proto__":2}',
  ])("%s", (text) => {
    expect(() => parse(text)).toThrow(/duplicate key/);
  });

  test.each(['{"a":"a","b":"a"}', '{"a":{"a":{"a":1}}}', '[{"a":1},{"a":1}]', '["a","a"]', '{"a\\"":1,"a":2}'])(
    "none in %s",
    (text) => {
      expect(parse(text)).toEqual(JSON.parse(text));
    },
  );
});

test("limits", () => {
  expect(() => parse("[".repeat(8) + "]".repeat(8))).not.toThrow();
  expect(() => parse("[".repeat(9))).toThrow(/nesting/);
  expect(() => parse("[".repeat(1_000_000))).toThrow(/nesting/);
  const keys = (count: number): string =>
    JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, i) => [i, 0])));
  expect(() => parse(keys(1000))).not.toThrow();
  expect(() => parse(keys(1001))).toThrow(/too many keys/);
});

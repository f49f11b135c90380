import fc from "fast-check";
import { expect, test } from "vitest";
import { checkKvCache } from "../../src/cache/check-kv-cache.ts";
import {
  type CacheLayer,
  keyValueBytes,
  obtainedKeep,
  type CacheProvenance,
  type KvCache,
} from "../../src/cache/kv-cache.ts";
import { anyCache, provenance, raggedCache, sampleCache } from "./sample-cache.ts";

test("valid caches pass", () => {
  checkKvCache(sampleCache(), "c");
  fc.assert(
    fc.property(anyCache, (cache) => {
      checkKvCache(cache, "c");
    }),
  );
});

const broken: [name: string, changes: Partial<KvCache>, message: RegExp][] = [
  ["no layers", { layers: [] }, /no layers/],
  ["a short layer", { layers: [{ keys: new Float32Array(12), values: new Float32Array(11) }] }, /layers.0.v has 11 el/],
  ["no heads", { numKvHeads: 0 }, /numKvHeads is 0/],
  ["half a head size", { headDim: 1.5 }, /headDim is 1.5/],
  ["no positions", { positions: new Int32Array() }, /no positions/],
  ["positions out of order", { positions: Int32Array.of(0, 9, 2) }, /increasing at slot 2/],
  ["a position twice", { positions: Int32Array.of(0, 2, 2) }, /increasing at slot 2/],
  ["a negative position", { positions: Int32Array.of(-1, 2, 9) }, /increasing at slot 0/],
  ["a position outside", { positions: Int32Array.of(0, 2, 12) }, /position 12 is not inside/],
  ["too few scores", { scores: new Float32Array(2) }, /scores has 2 elements, not 3/],
  ["too few ids", { tokenIds: new Int32Array(3) }, /token_ids has 3 elements, not 12/],
  ["a negative id", { tokenIds: new Int32Array(12).fill(-1) }, /negative id/],
  ["no context", { contextLength: 0 }, /contextLength is 0/],
  ["reading from the start", { nextPosition: 0 }, /nextPosition is 0, not from 1 to 12/],
  ["reading beyond the context", { nextPosition: 13 }, /nextPosition is 13/],
  ["a context beyond 32 bits", { contextLength: 2 ** 31 }, /contextLength is 2147483648/],
];
test.each(broken)("%s is refused", (_, changes, message) => {
  expect(() => {
    checkKvCache(sampleCache(changes), "c");
  }).toThrow(message);
});

const layer = (rowCounts: readonly number[], rows = 4): CacheLayer => ({
  keys: new Float32Array(2 * rows),
  values: new Float32Array(2 * rows),
  rowCounts,
});
const brokenHeads: [name: string, first: CacheLayer, message: RegExp][] = [
  ["a count for one head", layer([4]), /layers.0 has 1 row counts, not 2/],
  ["a negative count", layer([5, -1]), /layers.0 has -1 rows/],
  ["half a row", layer([3.5, 0.5]), /layers.0 has 3.5 rows/],
  ["counts that do not add up", layer([3, 2]), /positions has 8 elements, not 9/],
  ["rows beyond the counts", layer([3, 1], 5), /layers.0.k has 10 elements, not 8/],
];
test.each(brokenHeads)("heads with different numbers of rows: %s is refused", (_, first, message) => {
  const { layers } = raggedCache();
  expect(() => {
    checkKvCache(raggedCache({ layers: [first, ...layers.slice(1)] }), "c");
  }).toThrow(message);
});

const wrongOrigins: [name: string, changes: Partial<CacheProvenance>, message: RegExp][] = [
  ["an empty span", { span: { start: 3, end: 3 } }, /span 3:3/],
  ["a span outside", { span: { start: 3, end: 13 } }, /span 3:13/],
  ["a hash that is none", { modelHash: "abc" }, /modelHash/],
  ["a tokenizer hash that is none", { tokenizerHash: "none" }, /tokenizerHash/],
  ["an adapter hash that is none", { adapterHash: "" }, /adapterHash/],
  ["no method", { method: "" }, /method is empty/],
  ["no model", { modelName: "" }, /modelName is empty/],
  ["no program", { createdBy: "" }, /createdBy is empty/],
  ["a fraction over 1", { asked: { kind: "fraction", value: 1.1 } }, /asked keep is 1.1 fraction/],
  ["half a token", { asked: { kind: "tokens", value: 0.5 } }, /asked keep is 0.5 tokens/],
];
test.each(wrongOrigins)("%s is refused", (_, changes, message) => {
  expect(() => {
    checkKvCache(sampleCache({ provenance: { ...provenance, ...changes } }), "c");
  }).toThrow(message);
});

test("all faults are listed at once", () => {
  const cache = sampleCache({ positions: Int32Array.of(2, 1, 0), scores: new Float32Array(1) });
  expect(() => {
    checkKvCache({ ...cache, provenance: { ...provenance, method: "" } }, "c");
  }).toThrow(
    expect.objectContaining({
      code: "shape-mismatch",
      facts: expect.objectContaining({ faults: expect.objectContaining({ length: 3 }) as object }) as object,
    }) as Error,
  );
});

test.each([NaN, Infinity, -Infinity])("%d is not-finite", (value) => {
  const cache = sampleCache();
  cache.layers[1]?.values.fill(value, 5, 6);
  expect(() => {
    checkKvCache(cache, "c");
  }).toThrow(/layers.1.v holds a number that is not finite; got .* at element 5/);
  expect(() => {
    checkKvCache(sampleCache({ scores: Float32Array.of(1, value, 2) }), "c");
  }).toThrow(expect.objectContaining({ code: "not-finite" }) as Error);
});

test("what was obtained counts the span's tokens only", () => {
  expect(obtainedKeep(sampleCache())).toBe(0.25);
  expect(obtainedKeep(sampleCache({ positions: Int32Array.of(0, 1, 11) }))).toBe(0);
  expect(obtainedKeep(raggedCache())).toBe(5 / 4 / 8);
});

test("bytes of keys and values", () => {
  expect(keyValueBytes({ numLayers: 30, numKvHeads: 3, headDim: 64 }, 100, 2)).toBe(2 * 30 * 3 * 64 * 100 * 2);
});

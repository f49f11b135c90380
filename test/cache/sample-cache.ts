import fc from "fast-check";
import type { CacheProvenance, KvCache } from "../../src/cache/kv-cache.ts";
import { layerOf } from "../../src/models/host-layer.ts";

export const provenance: CacheProvenance = {
  modelName: "tiny-llama",
  modelHash: "1".repeat(64),
  tokenizerHash: "2".repeat(64),
  adapterHash: "none",
  method: "streaming",
  span: { start: 2, end: 10 },
  asked: { kind: "fraction", value: 0.25 },
  createdBy: "kv-distill test",
};

/** Two layers, two heads, three slots of a context of 12 tokens. */
export function sampleCache(changes: Partial<KvCache> = {}): KvCache {
  const rows = (first: number): Float32Array<ArrayBuffer> => Float32Array.from({ length: 12 }, (_, i) => first + i / 4);
  return {
    layers: [
      { keys: rows(1), values: rows(-20) },
      { keys: rows(30), values: rows(0.5) },
    ],
    numKvHeads: 2,
    headDim: 2,
    positions: Int32Array.of(0, 2, 9),
    scores: Float32Array.of(3, -1.5, 0.1),
    tokenIds: Int32Array.from({ length: 12 }, (_, i) => i * 100),
    contextLength: 12,
    provenance,
    ...changes,
  };
}

/** The same context; heads with 3, 1, 2 and 2 rows. */
export function raggedCache(changes: Partial<KvCache> = {}): KvCache {
  const rows = (first: number): Float32Array<ArrayBuffer> => Float32Array.from({ length: 8 }, (_, i) => first + i / 4);
  return sampleCache({
    layers: [
      { keys: rows(1), values: rows(-20), rowCounts: [3, 1] },
      { keys: rows(30), values: rows(0.5) },
    ],
    positions: Int32Array.of(0, 2, 9, 4, 0, 11, 2, 9),
    scores: Float32Array.of(3, -1.5, 0.1, 2, 1, 0.25, -7, 8),
    ...changes,
  });
}

const finite = fc.float({ noNaN: true, noDefaultInfinity: true, min: -60000, max: 60000 });
const floats = (length: number): fc.Arbitrary<Float32Array<ArrayBuffer>> =>
  fc.array(finite, { minLength: length, maxLength: length }).map((values) => Float32Array.from(values));

const facts = {
  numLayers: fc.integer({ min: 1, max: 12 }),
  numKvHeads: fc.integer({ min: 1, max: 3 }),
  headDim: fc.integer({ min: 1, max: 4 }),
  contextLength: fc.integer({ min: 1, max: 40 }),
  asked: fc.oneof(
    fc.record({ kind: fc.constant("fraction" as const), value: fc.double({ min: 1e-9, max: 1, noNaN: true }) }),
    fc.record({ kind: fc.constantFrom("tokens" as const, "bytes" as const), value: fc.integer({ min: 1 }) }),
  ),
  modelName: fc.string({ minLength: 1, unit: "grapheme" }),
};

/** Heads that chose for themselves; the first keeps a row at least. */
const anyRagged: fc.Arbitrary<KvCache> = fc.record(facts).chain((given) => {
  const { numLayers, numKvHeads, headDim, contextLength, asked, modelName } = given;
  const tokens = [...Array(contextLength).keys()];
  const heads = fc.tuple(
    fc.subarray(tokens, { minLength: 1 }),
    ...Array.from({ length: numLayers * numKvHeads - 1 }, () => fc.subarray(tokens)),
  );
  return heads.chain((kept) => {
    const total = kept.reduce((sum, { length }) => sum + length, 0);
    return fc
      .record({ numbers: floats(2 * total * headDim), scores: fc.option(floats(total), { nil: undefined }) })
      .map(({ numbers, scores }): KvCache => {
        let at = 0;
        const next = (count: number): Float32Array => numbers.subarray(at, (at += count * headDim));
        const layers = Array.from({ length: numLayers }, (_, layer) => {
          const own = kept.slice(layer * numKvHeads, (layer + 1) * numKvHeads);
          return layerOf(
            own.map(({ length }) => [{ keys: next(length), values: next(length) }]),
            headDim,
          );
        });
        const span = { start: 0, end: contextLength };
        return {
          layers,
          numKvHeads,
          headDim,
          positions: Int32Array.from(kept.flat()),
          ...(scores === undefined ? {} : { scores }),
          contextLength,
          provenance: { ...provenance, modelName, asked, span },
        };
      });
  });
});

const anyUniform: fc.Arbitrary<KvCache> = fc
  .record({ ...facts, perHead: fc.boolean() })
  .chain(({ numLayers, numKvHeads, headDim, contextLength, perHead, asked, modelName }) =>
    fc.subarray(Array.from(Array(contextLength).keys()), { minLength: 1 }).chain((positions) => {
      const layer = fc.record({
        keys: floats(numKvHeads * positions.length * headDim),
        values: floats(numKvHeads * positions.length * headDim),
      });
      // A head's own tokens: those of the first head, moved on.
      const heads = perHead ? numLayers * numKvHeads : 1;
      const moved = Array.from({ length: heads }, (_, head) =>
        positions.map((position) => (position + head) % contextLength).sort((a, b) => a - b),
      ).flat();
      return fc
        .record({
          layers: fc.array(layer, { minLength: numLayers, maxLength: numLayers }),
          scores: fc.option(floats(moved.length), { nil: undefined }),
          withIds: fc.boolean(),
          start: fc.integer({ min: 0, max: contextLength - 1 }),
          nextPosition: fc.option(fc.integer({ min: 1, max: contextLength }), { nil: undefined }),
        })
        .map(({ layers, scores, withIds, start, nextPosition }) => ({
          layers,
          numKvHeads,
          headDim,
          positions: Int32Array.from(moved),
          ...(scores === undefined ? {} : { scores }),
          ...(withIds ? { tokenIds: Int32Array.from({ length: contextLength }, (_, i) => i) } : {}),
          contextLength,
          ...(nextPosition === undefined ? {} : { nextPosition }),
          provenance: { ...provenance, modelName, asked, span: { start, end: contextLength } },
        }));
    }),
  );

/** Any valid cache of a few layers, heads and rows. */
export const anyCache: fc.Arbitrary<KvCache> = fc.oneof(anyUniform, anyRagged);

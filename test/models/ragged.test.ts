import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { headEntries, takeKept } from "../../src/compress/rows.ts";
import { Sequences } from "../../src/generate/sequences.ts";
import { input } from "../../src/graph/build.ts";
import { addDims } from "../../src/graph/dims.ts";
import { defineGraph, type Graph } from "../../src/graph/graph.ts";
import type { ModelConfig } from "../../src/models/config.ts";
import { familyOf } from "../../src/models/families/index.ts";
import { allRowCounts, heldRows, type HostLayer, isRagged } from "../../src/models/host-layer.ts";
import type { LanguageModel } from "../../src/models/language-model.ts";
import { LayerCache } from "../../src/models/layer-cache.ts";
import { MASKED } from "../../src/models/reading-bias.ts";
import { rotaryTables } from "../../src/models/rotary.ts";
import { stepGraph } from "../../src/models/step-graph.ts";
import { pickFeeds } from "../../src/runtime/feeding.ts";
import { asDType, ints, type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { distance, someIds, useTinyModel } from "../compress/tiny.ts";
import { errorOf } from "../runtime/expect-error.ts";

const TOKENS = 13;
const QUESTION = someIds(5);
/** Other orders of addition in float32. */
const TOLERANCE = 1e-5;

describe.each(["llama", "gpt2"])("heads with different numbers of rows: %s", (name) => {
  const tiny = useTinyModel(name);
  let full: readonly HostLayer[];
  beforeAll(async () => {
    const cache = await tiny.model().newCache();
    await tiny.model().forward({ ids: someIds(TOKENS), cache });
    full = await cache.download();
    cache.release();
  });

  /** For every head of every layer the positions that it keeps; some keep none. */
  function anyKept(): fc.Arbitrary<Int32Array<ArrayBuffer>[]> {
    const { numLayers, numKvHeads } = tiny.model().config;
    const own = fc.subarray([...Array(TOKENS).keys()]).map((positions) => Int32Array.from(positions));
    return fc.array(own, { minLength: numLayers * numKvHeads, maxLength: numLayers * numKvHeads });
  }

  const rowsAt = (kept: readonly Int32Array[]): readonly HostLayer[] => takeKept(full, tiny.model().config, kept);

  test("rows that are taken where they lie are those of the whole cache", async () => {
    const { numKvHeads } = tiny.model().config;
    const cache = await tiny.model().newCache();
    await tiny.model().forward({ ids: someIds(TOKENS), cache });
    await fc.assert(
      fc.asyncProperty(anyKept(), async (kept) => {
        const taken = await cache.downloadRows((layer) => headEntries(kept, layer, numKvHeads));
        expect(taken).toEqual(rowsAt(kept));
      }),
    );
    cache.release();
  });

  async function read(layers: readonly HostLayer[], steps: readonly (readonly number[])[]): Promise<Float32Array> {
    const model = tiny.model();
    const cache = await LayerCache.from(model.runtime, model.config, layers, TOKENS);
    const logits: number[] = [];
    for (const ids of steps) logits.push(...(await model.forward({ ids, cache, logitRows: [...ids.keys()] })).data);
    cache.release();
    return Float32Array.from(logits);
  }

  test("read as the full cache is when each head is told which rows it may see", async () => {
    await fc.assert(
      fc.asyncProperty(anyKept(), async (kept) => {
        const wanted = await readMasked(tiny.model(), full, kept, QUESTION);
        expect(distance(await read(rowsAt(kept), [QUESTION]), wanted)).toBeLessThan(TOLERANCE);
        // What was read in between is seen too.
        expect(
          distance(
            await read(
              rowsAt(kept),
              QUESTION.map((id) => [id]),
            ),
            wanted,
          ),
        ).toBeLessThan(TOLERANCE);
      }),
      { numRuns: 12 },
    );
  });

  const nothingKept = (): Int32Array<ArrayBuffer>[] => {
    const { numLayers, numKvHeads } = tiny.model().config;
    return Array.from({ length: numLayers * numKvHeads }, () => new Int32Array());
  };

  test("hold what they keep and no more, here and where the model runs", async () => {
    await fc.assert(
      fc.asyncProperty(anyKept(), async (kept) => {
        const { config, runtime } = tiny.model();
        const layers = rowsAt(kept);
        const counts = kept.map(({ length }) => length);
        const total = counts.reduce((a, b) => a + b, 0);
        expect(allRowCounts(layers, config)).toEqual(counts);
        expect(layers.reduce((sum, { keys }) => sum + keys.length, 0)).toBe(total * config.headDim);
        expect(heldRows(layers, config)).toBeCloseTo(total / counts.length, 10);
        const cache = await LayerCache.from(runtime, config, layers, TOKENS);
        expect(cache.base === undefined).toBe(!isRagged(layers, config));
        expect(cache.mostRows).toBe(Math.max(...counts));
        expect(await cache.download()).toEqual(layers);
        cache.release();
      }),
      { numRuns: 12, examples: [[nothingKept()]] },
    );
  });

  test("side by side with others, each is read as if it were the only one", async () => {
    const model = tiny.model();
    await fc.assert(
      fc.asyncProperty(anyKept(), anyKept(), fc.integer({ min: 1, max: TOKENS }), async (one, other, count) => {
        const uniform = rowsAt([Int32Array.from({ length: count }, (_, i) => i)]);
        const all = [rowsAt(one), uniform, rowsAt(other), rowsAt(one)].map((layers) => ({ layers, position: TOKENS }));
        const texts = [QUESTION, someIds(2), someIds(3), someIds(4)];
        const wanted = await Promise.all(all.map(({ layers }, i) => read(layers, [texts[i] ?? []])));
        const sequences = await Sequences.open(model, all, 5);
        const together = await sequences.read(texts.map((ids, sequence) => ({ sequence, ids, logitsFrom: 0 })));
        texts.forEach((_, i) => {
          expect(distance(joined(together[i]), wanted[i] ?? new Float32Array())).toBeLessThan(TOLERANCE);
        });
        for (const [i, { length }] of texts.entries()) sequences.forget(i, length);
        await sequences.keep([2, 1]);
        const again = await sequences.read([2, 1].map((i) => ({ sequence: i, ids: texts[i] ?? [], logitsFrom: 0 })));
        [2, 1].forEach((i, at) => {
          expect(distance(joined(again[at]), wanted[i] ?? new Float32Array())).toBeLessThan(TOLERANCE);
        });
        sequences.release();
      }),
      { numRuns: 6 },
    );
  });

  test("what was read comes back behind each head's rows, and is forgotten alone", async () => {
    const model = tiny.model();
    const { numLayers, numKvHeads, headDim } = model.config;
    const kept = Array.from({ length: numLayers * numKvHeads }, (_, i) =>
      Int32Array.from({ length: i + 1 }, (_, j) => j),
    );
    const layers = rowsAt(kept);
    const cache = await LayerCache.from(model.runtime, model.config, layers, TOKENS);
    const { length, position } = cache;
    await model.forward({ ids: QUESTION, cache });
    expect(cache.mostRows).toBe(kept.length + QUESTION.length);
    const after = await cache.download();
    const newest = await cache.downloadNewest(QUESTION.length);
    expect(allRowCounts(after, model.config)).toEqual(kept.map(({ length }) => length + QUESTION.length));
    after.forEach(({ keys }, i) => {
      const count = (kept[i * numKvHeads]?.length ?? 0) * headDim;
      expect(keys.subarray(0, count)).toEqual(layers[i]?.keys.subarray(0, count));
      const [own, read] = [newest[i]?.keys, keys.subarray(count, count + QUESTION.length * headDim)];
      expect(read).toEqual(own?.subarray(0, read.length));
    });
    cache.truncate(length, position);
    expect(await cache.download()).toEqual(layers);
    cache.release();
  });

  test("are not read past the model's limit, which the fullest head reaches first", async () => {
    const model = tiny.model();
    const { numLayers, numKvHeads, headDim, maxPositions } = model.config;
    const rows = (count: number): Float32Array<ArrayBuffer> => new Float32Array(count * headDim);
    const counts = Array.from({ length: numKvHeads }, (_, head) => (head === 0 ? maxPositions - 2 : 1));
    const total = counts.reduce((a, b) => a + b, 0);
    const layers = Array.from({ length: numLayers }, () => ({
      keys: rows(total),
      values: rows(total),
      rowCounts: counts,
    }));
    const cache = await LayerCache.from(model.runtime, model.config, layers, 0);
    await model.forward({ ids: [3, 4], cache });
    await errorOf(model.forward({ ids: [3], cache }), "context-too-long");
    cache.release();
    const sequences = await Sequences.open(model, [{ layers, position: maxPositions - 2 }], 4);
    const reading = sequences.read([{ sequence: 0, ids: [3, 4, 5], logitsFrom: 2 }]);
    await errorOf(reading, "context-too-long");
    sequences.release();
  });

  test("attention is not asked of them, nor are adapters put on them", async () => {
    const model = tiny.model();
    expect(() =>
      stepGraph(model.config, { result: "none", attention: "sum", base: { ragged: true, shared: false } }),
    ).toThrow(/frozen model/);
    const { numLayers, numKvHeads } = model.config;
    const kept = Array.from({ length: numLayers * numKvHeads }, (_, i) => Int32Array.from({ length: i }, (_, j) => j));
    const cache = await LayerCache.from(model.runtime, model.config, rowsAt(kept), TOKENS);
    await errorOf(model.attentionReceived([3], cache, "sum"), "bad-argument");
    cache.release();
  });
});

function joined(rows: readonly Float32Array[] | undefined): Float32Array {
  return Float32Array.from((rows ?? []).flatMap((row) => [...row]));
}

/** Every token's logits when each head sees, of the full cache, the rows that it keeps alone. */
async function readMasked(
  model: LanguageModel,
  full: readonly HostLayer[],
  kept: readonly Int32Array[],
  ids: readonly number[],
): Promise<Float32Array> {
  const { config } = model;
  const { numKvHeads, headDim } = config;
  const program = await model.compile("masked", () => maskedGraph(config));
  const positions = ids.map((_, i) => TOKENS + i);
  const feeds: Record<string, Tensor> = {
    ids: ints([ids.length], ids),
    positions: ints([ids.length], positions),
    ...(config.family === "llama" ? rotaryTables(config, positions) : {}),
    rotaryRows: ints([1, ids.length], [...ids.keys()]),
  };
  full.forEach(({ keys, values }, layer) => {
    feeds[`${layer}.keys`] = tensor("float32", [1, numKvHeads, TOKENS, headDim], keys);
    feeds[`${layer}.values`] = tensor("float32", [1, numKvHeads, TOKENS, headDim], values);
    const width = TOKENS + ids.length;
    const bias = new Float32Array(numKvHeads * ids.length * width).fill(MASKED);
    for (let head = 0; head < numKvHeads; head++) {
      ids.forEach((_, i) => {
        const row = bias.subarray((head * ids.length + i) * width, (head * ids.length + i + 1) * width);
        for (const position of kept[layer * numKvHeads + head] ?? []) row[position] = 0;
        row.fill(0, TOKENS, TOKENS + i + 1);
      });
    }
    feeds[`${layer}.bias`] = tensor("float32", [1, numKvHeads, ids.length, width], bias);
  });
  const { logits } = await program.run(pickFeeds(program, feeds));
  if (logits === undefined) throw new Error("the graph gives logits");
  return asDType(logits, "float32").data;
}

function maskedGraph(config: ModelConfig): Graph {
  const family = familyOf(config);
  const { numKvHeads, headDim, numLayers } = config;
  const tokens = "T";
  const shared = {
    batch: 1,
    tokens,
    rotaryRows: input("rotaryRows", "int64", [1, tokens]),
    cos: input("cos", "float32", [tokens, headDim / 2]),
    sin: input("sin", "float32", [tokens, headDim / 2]),
  };
  let x = family.embed(input("ids", "int64", [tokens]), input("positions", "int64", [tokens]));
  for (let layer = 0; layer < numLayers; layer++) {
    const rows = (name: string) => input(`${layer}.${name}`, "float32", [1, numKvHeads, "P", headDim]);
    x = family.block(layer, x, {
      ...shared,
      sight: input(`${layer}.bias`, "float32", [1, numKvHeads, tokens, addDims("P", tokens)]),
      past: { keys: rows("keys"), values: rows("values") },
    }).x;
  }
  return defineGraph("masked", { logits: family.head(x) });
}

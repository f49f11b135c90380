import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { BatchedReader } from "../../src/generate/batched-reader.ts";
import { decode, type Reader } from "../../src/generate/decode.ts";
import { GREEDY, type Sampling } from "../../src/generate/sample.ts";
import type { LanguageModel } from "../../src/models/language-model.ts";
import { LayerCache } from "../../src/models/layer-cache.ts";
import { loadModel } from "../../src/models/load-model.ts";
import { randomFromSeed } from "../../src/util/random.ts";
import { tinyModel } from "../models/tiny-models.ts";

interface Wanted {
  readonly prompt: readonly number[];
  readonly maxTokens: number;
  readonly sampling: Sampling;
  readonly seed: number;
  readonly stopIds?: readonly number[];
  /** Rows that are there before. */
  readonly context?: readonly number[];
}

const ids = (count: number, seed: number): number[] =>
  Array.from({ length: count }, (_, i) => (seed * 31 + i * 17 + ((i * i) % 13)) % 200);

const DRAWN: Sampling = { temperature: 1.5, topP: 0.9 };
/** One prompt is read in two calls by a model with room for it. */
const ANSWERS = (room: number): readonly Wanted[] => [
  { prompt: ids(3, 1), maxTokens: 20, sampling: GREEDY, seed: 0 },
  { prompt: ids(1, 2), maxTokens: 7, sampling: DRAWN, seed: 5 },
  { prompt: ids(Math.min(80, room - 12), 3), maxTokens: 12, sampling: { temperature: 2, topP: 1 }, seed: 6 },
  { prompt: ids(9, 4), maxTokens: 25, sampling: DRAWN, seed: 7, context: ids(20, 9) },
  { prompt: ids(2, 5), maxTokens: 1, sampling: GREEDY, seed: 8 },
  { prompt: ids(5, 6), maxTokens: 30, sampling: DRAWN, seed: 9, context: ids(26, 8) },
];

describe.each(["llama", "gpt2"])("answers read at once: %s", (name) => {
  let model: LanguageModel;
  let answers: readonly Wanted[];
  beforeAll(async () => {
    model = await loadModel(tinyModel(name), { threads: 1 });
    answers = ANSWERS(model.config.maxPositions);
  });
  afterAll(() => model.close());

  function wanted(index: number): Wanted {
    const own = answers[index];
    if (own === undefined) throw new RangeError("no such answer");
    return own;
  }

  async function cacheOf({ context = [] }: Pick<Wanted, "context">): Promise<LayerCache> {
    const cache = await model.newCache();
    if (context.length > 0) await model.forward({ ids: context, cache });
    return cache;
  }

  /** @param leaveAfter tokens after which nobody listens any more */
  async function answer(reader: Reader<LayerCache>, own: Wanted, leaveAfter = Infinity): Promise<number[]> {
    const cache = await cacheOf(own);
    const { maxTokens, sampling, seed, stopIds = [] } = own;
    const given: number[] = [];
    for await (const id of decode(reader, cache, own.prompt, {
      maxTokens,
      sampling,
      stopIds,
      random: randomFromSeed(seed),
    })) {
      given.push(id);
      if (given.length >= leaveAfter) break;
    }
    const rows = own.prompt.length + (own.context?.length ?? 0) + given.length;
    // The last token of an answer is not read; a stop token is none of it.
    expect([rows - 1, rows]).toContain(cache.length);
    cache.release();
    return given;
  }

  /** Engine calls that read one token of everybody who asks. */
  function stepsOf(reader: BatchedReader): () => number {
    const program = vi.spyOn(reader.model, "readingProgram");
    return () => program.mock.calls.filter(([, tokens]) => tokens === 1).length;
  }

  test("each is as if it were the only one: lengths, sampling, stops, comers, goers", async () => {
    const alone: number[][] = [];
    for (const own of answers) alone.push(await answer(model, own));
    const stop = alone[0]?.[8] ?? -1;
    const stopping = { ...wanted(0), stopIds: [stop] };
    const reader = new BatchedReader(model, "batched");
    const steps = stepsOf(reader);
    const late = async (own: Wanted): Promise<number[]> => {
      await expect.poll(steps).toBeGreaterThan(4);
      return answer(reader, own);
    };
    const [stopped, left, latecomer, ...together] = await Promise.all([
      answer(reader, stopping),
      answer(reader, wanted(3), 4),
      late(wanted(1)),
      ...answers.map((own) => answer(reader, own)),
    ]);
    expect(stopped).toEqual(alone[0]?.slice(0, alone[0].indexOf(stop)));
    expect(left).toEqual(alone[3]?.slice(0, 4));
    expect(latecomer).toEqual(alone[1]);
    expect(together).toEqual(alone);
    // Taken by themselves they would be four times as many.
    const tokens = [stopped, left, latecomer, ...together].reduce((sum, own) => sum + own.length, 0);
    expect(steps()).toBeLessThan(tokens / 2);
  });

  test("one that is slow to ask holds nobody up, and reads on where it was", async () => {
    const reader = new BatchedReader(model, "batched");
    const [quick, slow] = [wanted(0), wanted(3)];
    const [wantedQuick, wantedSlow] = [await answer(model, quick), await answer(model, slow)];
    const cache = await cacheOf(slow);
    const { maxTokens, sampling, seed, prompt } = slow;
    const tokens = decode(reader, cache, prompt, { maxTokens, sampling, stopIds: [], random: randomFromSeed(seed) });
    const given: (number | undefined)[] = [];
    const take = async (): Promise<void> => {
      given.push((await tokens.next()).value as number);
    };
    for (const count of [3, 1, 4]) {
      const other = Promise.all([answer(reader, quick), answer(reader, quick)]);
      for (let i = 0; i < count; i++) await take();
      expect(await other).toEqual([wantedQuick, wantedQuick]);
    }
    expect(given).toEqual(wantedSlow.slice(0, given.length));
    await tokens.return("stop");
    cache.release();
  });

  test("what is too long for a batch, or ragged, takes turns with it", async () => {
    const { numKvHeads, headDim, maxPositions } = model.config;
    const whole = await cacheOf({ context: ids(20, 3) });
    const layers = (await whole.download()).map(({ keys, values }, layer) => {
      // The first head of the first layer has two rows fewer.
      if (layer > 0) return { keys, values };
      const cut = (rows: Float32Array): Float32Array<ArrayBuffer> => Float32Array.from(rows.subarray(2 * headDim));
      return { keys: cut(keys), values: cut(values), rowCounts: [18, ...new Array<number>(numKvHeads - 1).fill(20)] };
    });
    whole.release();
    const ragged = async (reader: Reader<LayerCache>): Promise<number[]> => {
      const cache = await LayerCache.from(model.runtime, model.config, layers, 20);
      expect(cache.base === undefined).toBe(numKvHeads === 1);
      const options = { maxTokens: 15, sampling: DRAWN, stopIds: [], random: randomFromSeed(3) };
      const given: number[] = [];
      for await (const id of decode(reader, cache, [5, 6], options)) given.push(id);
      cache.release();
      return given;
    };
    expect(maxPositions).toBeGreaterThan(40);
    const both = [await ragged(model), await answer(model, wanted(0))];
    const reader = new BatchedReader(model, "batched");
    expect(await Promise.all([ragged(reader), answer(reader, wanted(0)), ragged(reader)])).toEqual([...both, both[0]]);
  });

  test("answers whose signal is aborted end; the others go on", async () => {
    const reader = new BatchedReader(model, "batched");
    const controller = new AbortController();
    const stopped = async (): Promise<number> => {
      const cache = await cacheOf({});
      const given: number[] = [];
      const options = { maxTokens: 30, sampling: GREEDY, stopIds: [], random: randomFromSeed(0) };
      for await (const id of decode(reader, cache, [3], { ...options, signal: controller.signal })) {
        given.push(id);
        if (given.length === 3) controller.abort();
      }
      return given.length;
    };
    const [own, other] = await Promise.allSettled([stopped(), answer(reader, wanted(0))]);
    expect(own).toMatchObject({ status: "rejected", reason: { code: "cancelled" } });
    expect(other).toEqual({ status: "fulfilled", value: await answer(model, wanted(0)) });
  });

  test("a step that fails leaves every cache as it was", async () => {
    const reader = new BatchedReader(model, "batched");
    const caches = [await cacheOf(wanted(3)), await cacheOf(wanted(5))];
    const lengths = caches.map(({ length }) => length);
    const next = (): Promise<PromiseSettledResult<unknown>[]> =>
      Promise.allSettled(caches.map((cache) => reader.forward({ ids: [7], cache, logitRows: [0] })));
    vi.spyOn(reader.model, "readingProgram").mockRejectedValueOnce(new Error("no memory"));
    for (const { status } of await next()) expect(status).toBe("rejected");
    expect(caches.map(({ length }) => length)).toEqual(lengths);
    for (const { status } of await next()) expect(status).toBe("fulfilled");
    expect(caches.map(({ length }) => length)).toEqual(lengths.map((length) => length + 1));
    for (const cache of caches) {
      reader.leave(cache);
      cache.release();
    }
  });
});

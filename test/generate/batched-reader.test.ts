import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { takeKept } from "../../src/compress/rows.ts";
import { BatchedReader } from "../../src/generate/batched-reader.ts";
import { decode, type Reader } from "../../src/generate/decode.ts";
import { GREEDY, type Sampling } from "../../src/generate/sample.ts";
import type { LanguageModel } from "../../src/models/language-model.ts";
import type { Resident } from "../../src/runtime/runtime.ts";
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
  /** Tokens whose rows are there before. */
  readonly context?: readonly number[];
  /** Heads hold different numbers of those, drawn with this seed. */
  readonly ragged?: number;
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
  { prompt: ids(4, 7), maxTokens: 22, sampling: DRAWN, seed: 10, context: ids(24, 7), ragged: 1 },
  { prompt: ids(7, 8), maxTokens: 9, sampling: DRAWN, seed: 11, context: ids(12, 6), ragged: 2 },
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

  async function cacheOf({ context = [], ragged }: Pick<Wanted, "context" | "ragged">): Promise<LayerCache> {
    const cache = await model.newCache();
    if (context.length > 0) await model.forward({ ids: context, cache });
    if (ragged === undefined) return cache;
    const { numLayers, numKvHeads } = model.config;
    const random = randomFromSeed(ragged);
    // Some heads hold none.
    const kept = Array.from({ length: numLayers * numKvHeads }, (_, head) =>
      Int32Array.from(context.keys()).filter(() => random.uniform() < (head % 3) / 2),
    );
    const layers = takeKept(await cache.download(), model.config, kept);
    cache.release();
    const own = await LayerCache.from(model.runtime, model.config, layers, context.length);
    expect(own.base).toBeDefined();
    return own;
  }

  /** @param leaveAfter tokens after which nobody listens any more */
  async function answer(reader: Reader<LayerCache>, own: Wanted, leaveAfter = Infinity): Promise<number[]> {
    const cache = await cacheOf(own);
    const { length } = cache;
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
    const rows = own.prompt.length + length + given.length;
    // The last token of an answer is not read; a stop token is none of it.
    expect([rows - 1, rows]).toContain(cache.length);
    cache.release();
    return given;
  }

  afterEach(() => {
    vi.restoreAllMocks();
  });

  /** Lets clients come after so many engine calls, or when there are no more. */
  function clock(reader: BatchedReader): { begun(calls: number): Promise<void>; over(): void } {
    const steps = stepsOf(reader);
    let ended = false;
    let last = -1;
    return {
      begun: async (calls) => {
        // Nobody waits for calls that do not come.
        for (let idle = 0; !ended && steps() < calls && idle < 20; idle++) {
          if (steps() !== last) idle = 0;
          last = steps();
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
      },
      over: () => {
        ended = true;
      },
    };
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
      await expect.poll(steps, { timeout: 30_000 }).toBeGreaterThan(4);
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

  /** Arrays that are made where the engine runs from now on, and whether one of them is still held. */
  function arraysMade(): {
    readonly count: () => number;
    readonly held: () => Promise<number>;
    readonly end: () => void;
  } {
    const made: Promise<Resident>[] = [];
    const spies: { mockRestore(): void }[] = [];
    for (const call of ["allocate", "upload"] as const) {
      const original = model.runtime[call].bind(model.runtime) as (...given: unknown[]) => Promise<Resident>;
      const spy = vi.spyOn(model.runtime, call).mockImplementation((...given: unknown[]) => {
        const own = original(...given);
        made.push(own);
        return own;
      });
      spies.push(spy);
    }
    return {
      count: () => made.length,
      end: () => {
        for (const spy of spies) spy.mockRestore();
      },
      held: async () => {
        let held = 0;
        for (const own of made) {
          await own
            .then((resident) => model.runtime.download(resident))
            .then(
              () => held++,
              () => undefined,
            );
        }
        return held;
      },
    };
  }

  test("whoever comes, goes or is cancelled, whenever: each is as if it were the only one, and nothing stays behind", async () => {
    const alone: number[][] = [];
    for (const own of answers) alone.push(await answer(model, own));
    const client = fc.record({
      index: fc.nat({ max: answers.length - 1 }),
      comesAt: fc.nat({ max: 25 }),
      goesAfter: fc.option(fc.integer({ min: 1, max: 12 }), { nil: Infinity }),
      isCancelled: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(client, { minLength: 2, maxLength: 9 }), async (clients) => {
        const arrays = arraysMade();
        const reader = new BatchedReader(model, "batched");
        const time = clock(reader);
        const answered = clients.map(async ({ index, comesAt, goesAfter, isCancelled }) => {
          await time.begun(comesAt);
          const own = wanted(index);
          if (!isCancelled) return answer(reader, own, goesAfter);
          const cache = await cacheOf(own);
          const controller = new AbortController();
          const options = { ...own, stopIds: [], random: randomFromSeed(own.seed), signal: controller.signal };
          const given: number[] = [];
          try {
            for await (const id of decode(reader, cache, own.prompt, options)) {
              given.push(id);
              if (given.length === goesAfter)
                setTimeout(() => {
                  controller.abort();
                });
            }
          } catch (error) {
            expect(error).toMatchObject({ code: "cancelled" });
            expect(given.length).toBeGreaterThanOrEqual(goesAfter);
          } finally {
            cache.release();
          }
          return given;
        });
        const all = await Promise.all(answered).finally(() => {
          time.over();
          arrays.end();
        });
        clients.forEach(({ index, goesAfter, isCancelled }, i) => {
          const [got = [], whole = []] = [all[i], alone[index]];
          expect(got).toEqual(whole.slice(0, isCancelled ? got.length : goesAfter));
        });
        expect(arrays.count()).toBeGreaterThan(0);
        await expect.poll(() => arrays.held(), { timeout: 30_000 }).toBe(0);
      }),
      { numRuns: 8 },
    );
  }, 120_000);

  test.each([16, 40])(
    "those whose caches are longer than %i rows side by side are read by themselves",
    async (most) => {
      const alone: number[][] = [];
      for (const own of answers) alone.push(await answer(model, own));
      const reader = new BatchedReader(model, "batched", most);
      const steps = stepsOf(reader);
      expect(await Promise.all(answers.map((own) => answer(reader, own)))).toEqual(alone);
      const tokens = alone.reduce((sum, own) => sum + own.length - 1, 0);
      expect(steps()).toBeGreaterThan(Math.max(...answers.map(({ maxTokens }) => maxTokens)));
      expect(steps()).toBeLessThan(tokens);
    },
  );

  test("one that pauses and leaves while the others' places are made anew is missed by nobody", async () => {
    const reader = new BatchedReader(model, "batched");
    const caches = [await cacheOf(wanted(6)), await cacheOf(wanted(3)), await cacheOf(wanted(7))];
    const step = (cache: LayerCache): Promise<unknown> => reader.forward({ ids: [7], cache, logitRows: [0] });
    const [paused, other, newcomer] = caches as [LayerCache, LayerCache, LayerCache];
    const arrays = arraysMade();
    await Promise.all([step(paused), step(other)]);
    const places = LayerCache.places.bind(LayerCache);
    vi.spyOn(LayerCache, "places").mockImplementationOnce((...given) => {
      reader.leave(paused);
      paused.release();
      return places(...given);
    });
    await Promise.all([step(other), step(newcomer)]);
    expect([other.length, newcomer.length]).toEqual([(wanted(3).context?.length ?? 0) + 2, 1]);
    for (const cache of [other, newcomer]) {
      reader.leave(cache);
      cache.release();
    }
    await expect.poll(() => arrays.held(), { timeout: 30_000 }).toBe(0);
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

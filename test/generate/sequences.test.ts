import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { answerSequences } from "../../src/generate/answer-sequences.ts";
import { decode } from "../../src/generate/decode.ts";
import { argmax, GREEDY } from "../../src/generate/sample.ts";
import { Sequences, type SequenceStart } from "../../src/generate/sequences.ts";
import type { LanguageModel } from "../../src/models/language-model.ts";
import { LayerCache } from "../../src/models/layer-cache.ts";
import { loadModel } from "../../src/models/load-model.ts";
import { randomFromSeed } from "../../src/util/random.ts";
import { tinyModel } from "../models/tiny-models.ts";

const CONTEXT = [7, 40, 3, 99, 120, 8, 55, 23, 77, 140, 9];
const TEXTS = [[5, 6, 7, 8], [201], [17, 90, 44, 31, 2, 60]];

/** Rows kept of the context: each start has its own, so that they are padded, and positions run ahead of rows. */
const KEPT = [5, CONTEXT.length, 2];

describe.each(["llama", "gpt2"])("sequences side by side: %s", (name) => {
  let model: LanguageModel;
  let starts: readonly SequenceStart[];
  beforeAll(async () => {
    model = await loadModel(tinyModel(name), { threads: 1 });
    const whole = await model.newCache();
    await model.forward({ ids: CONTEXT, cache: whole });
    const layers = await whole.download();
    whole.release();
    const { numKvHeads, headDim } = model.config;
    const first = (rows: Float32Array, kept: number): Float32Array<ArrayBuffer> => {
      const each = rows.length / numKvHeads;
      const heads = Array.from({ length: numKvHeads }, (_, h) => [
        ...rows.subarray(h * each, h * each + kept * headDim),
      ]);
      return Float32Array.from(heads.flat());
    };
    starts = KEPT.map((kept) => ({
      layers: layers.map(({ keys, values }) => ({ keys: first(keys, kept), values: first(values, kept) })),
      position: CONTEXT.length,
    }));
  });
  afterAll(() => model.close());

  function startOf(sequence: number): SequenceStart {
    const start = starts[sequence];
    if (start === undefined) throw new RangeError("no such start");
    return start;
  }

  function cacheOf(sequence: number): Promise<LayerCache> {
    const { layers, position } = startOf(sequence);
    return LayerCache.from(model.runtime, model.config, layers, position);
  }

  async function alone(sequence: number, ids: readonly number[]): Promise<Float32Array[]> {
    const cache = await cacheOf(sequence);
    const { data } = await model.forward({ ids, cache, logitRows: [...ids.keys()] });
    cache.release();
    const { vocabSize } = model.config;
    return ids.map((_, i) => data.slice(i * vocabSize, (i + 1) * vocabSize));
  }

  function textOf(sequence: number): readonly number[] {
    return TEXTS[sequence] ?? [];
  }

  function expectEqual(got: readonly Float32Array[] | undefined, wanted: readonly Float32Array[]): void {
    expect(got?.length).toBe(wanted.length);
    const worst = wanted.map((row, i) => Math.max(...row.map((value, j) => Math.abs(value - (got?.[i]?.[j] ?? NaN)))));
    expect(Math.max(...worst)).toBeLessThan(1e-5);
  }

  test("each reads as if it were the only one, at once or in steps", async () => {
    const whole = await Sequences.open(model, starts, 4);
    const together = await whole.read(TEXTS.map((ids, sequence) => ({ sequence, ids, logitsFrom: 0 })));
    for (const [i, ids] of TEXTS.entries()) expectEqual(together[i], await alone(i, ids));
    whole.release();

    const stepped = await Sequences.open(model, starts, 4);
    await stepped.read(TEXTS.map((ids, sequence) => ({ sequence, ids: ids.slice(0, 1), logitsFrom: 1 })));
    const rest = await stepped.read([2, 0].map((i) => ({ sequence: i, ids: textOf(i).slice(1), logitsFrom: 0 })));
    expectEqual(rest[0], (await alone(2, textOf(2))).slice(1));
    expectEqual(rest[1], (await alone(0, textOf(0))).slice(1));
    stepped.release();
  });

  test("long texts are read in several calls, many on the same start", async () => {
    const many = 300;
    const shared = Array.from({ length: many }, (_, sequence) => startOf(sequence % KEPT.length));
    const sequences = await Sequences.open(model, shared, 4);
    const logits = await sequences.read(
      Array.from({ length: many }, (_, sequence) => ({ sequence, ids: textOf(2 * (sequence % 2)), logitsFrom: 0 })),
    );
    for (const i of [0, 1, 2, many - 3, many - 2, many - 1]) {
      expectEqual(logits[i], await alone(i % KEPT.length, textOf(2 * (i % 2))));
    }
    sequences.release();
  });

  test("forgotten tokens are neither seen nor counted", async () => {
    const sequences = await Sequences.open(model, starts, 4);
    await sequences.read(TEXTS.map((ids, sequence) => ({ sequence, ids: [...ids, 11, 12], logitsFrom: 99 })));
    for (const sequence of TEXTS.keys()) sequences.forget(sequence, 2);
    const next = await sequences.read(TEXTS.map((_, sequence) => ({ sequence, ids: [33], logitsFrom: 0 })));
    for (const [i, ids] of TEXTS.entries()) expectEqual(next[i], (await alone(i, [...ids, 33])).slice(-1));
    sequences.release();
  });

  test("sequences that are kept read on; the others are gone", async () => {
    const sequences = await Sequences.open(model, starts, 4);
    await sequences.read(TEXTS.map((ids, sequence) => ({ sequence, ids, logitsFrom: 99 })));
    await sequences.keep([0, 2]);
    await sequences.keep([2]);
    expect(sequences.count).toBe(1);
    const [logits] = await sequences.read([{ sequence: 2, ids: [33], logitsFrom: 0 }]);
    expectEqual(logits, (await alone(2, [...textOf(2), 33])).slice(-1));
    await expect(sequences.read([{ sequence: 0, ids: [33], logitsFrom: 0 }])).rejects.toMatchObject({
      code: "bad-argument",
    });
    sequences.release();
  });

  test("the likeliest token after one is the one with the largest logit, whoever else reads", async () => {
    const [read, chosen] = await Promise.all([Sequences.open(model, starts, 4), Sequences.open(model, starts, 4)]);
    for (const sequences of [[0, 1, 2], [2, 0], [1]]) {
      const newest = sequences.map((sequence) => ({ sequence, id: 33 + sequence }));
      const logits = await read.read(newest.map(({ sequence, id }) => ({ sequence, ids: [id], logitsFrom: 0 })));
      expect(await chosen.choose(newest)).toEqual(logits.map(([row = new Float32Array()]) => argmax(row)));
    }
    read.release();
    chosen.release();
  });

  test("nothing is chosen among logits that are not numbers", async () => {
    const layers = startOf(0).layers.map(({ keys, values }) => ({ keys, values: values.map(() => NaN) }));
    const sequences = await Sequences.open(model, [startOf(0), { ...startOf(0), layers }], 4);
    const newest = [0, 1].map((sequence) => ({ sequence, id: 33 }));
    await expect(sequences.choose(newest)).rejects.toMatchObject({ code: "not-finite" });
    await expect(sequences.choose(newest.slice(0, 1))).resolves.toHaveLength(1);
    sequences.release();
  });

  test("greedy answers equal those decoded alone, stop tokens included", async () => {
    const maxTokens = 12;
    const plain = async (sequence: number, stopIds: readonly number[]): Promise<number[]> => {
      const cache = await cacheOf(sequence);
      const answer: number[] = [];
      const random = randomFromSeed(0);
      const options = { maxTokens, stopIds, sampling: GREEDY, random };
      for await (const id of decode(model, cache, textOf(sequence), options)) answer.push(id);
      cache.release();
      return answer;
    };
    const unstopped = await Promise.all([...TEXTS.keys()].map((i) => plain(i, [])));
    for (const stopIds of [[], [unstopped[1]?.[4] ?? 0], [unstopped[0]?.[0] ?? 0, unstopped[2]?.[1] ?? 0]]) {
      const sequences = await Sequences.open(model, starts, 4);
      const read = await sequences.read(TEXTS.map((ids, sequence) => ({ sequence, ids, logitsFrom: ids.length - 1 })));
      const prompted = read.map(([logits = new Float32Array()], sequence) => ({ sequence, logits }));
      const answers = await answerSequences(sequences, prompted, { maxTokens, stopIds });
      for (const i of TEXTS.keys()) {
        const wanted = await plain(i, stopIds);
        expect(answers[i]?.ids).toEqual(wanted);
        expect(answers[i]?.finish).toBe(wanted.length < maxTokens ? "stop" : "length");
      }
      sequences.release();
    }
  });

  test("more rows than the model reads are refused, learned positions past its limit too", async () => {
    const { family, maxPositions } = model.config;
    const room = maxPositions - (family === "gpt2" ? CONTEXT.length : (KEPT[0] ?? 0));
    const ids = new Array<number>(room + 1).fill(5);
    const sequences = await Sequences.open(model, [startOf(0)], 4);
    await expect(sequences.read([{ sequence: 0, ids, logitsFrom: 0 }])).rejects.toMatchObject({
      code: "context-too-long",
    });
    await expect(sequences.read([{ sequence: 0, ids: ids.slice(1), logitsFrom: ids.length }])).resolves.toEqual([[]]);
    sequences.release();
  });
});

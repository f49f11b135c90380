import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { answerBranches } from "../../src/generate/answer-branches.ts";
import { Branches } from "../../src/generate/branches.ts";
import { decode } from "../../src/generate/decode.ts";
import { GREEDY } from "../../src/generate/sample.ts";
import type { LanguageModel } from "../../src/models/language-model.ts";
import { LayerCache } from "../../src/models/layer-cache.ts";
import { loadModel } from "../../src/models/load-model.ts";
import { randomFromSeed } from "../../src/util/random.ts";
import { tinyModel } from "../models/tiny-models.ts";

const CONTEXT = [7, 40, 3, 99, 120, 8, 55, 23, 77, 140, 9];
const TEXTS = [[5, 6, 7, 8], [201], [17, 90, 44, 31, 2, 60]];

describe.each(["llama", "gpt2"])("branches of one cache: %s", (name) => {
  let model: LanguageModel;
  beforeAll(async () => {
    model = await loadModel(tinyModel(name), { threads: 1 });
  });
  afterAll(() => model.close());

  /** A cache with rows missing, so that positions run ahead of rows. */
  async function gappedCache(): Promise<LayerCache> {
    const whole = await model.newCache();
    await model.forward({ ids: CONTEXT, cache: whole });
    const { numKvHeads, headDim } = model.config;
    const half = (rows: Float32Array): Float32Array<ArrayBuffer> => {
      const each = rows.length / numKvHeads;
      const heads = Array.from({ length: numKvHeads }, (_, h) => [...rows.subarray(h * each, h * each + 5 * headDim)]);
      return Float32Array.from(heads.flat());
    };
    const layers = (await whole.download()).map(({ keys, values }) => ({ keys: half(keys), values: half(values) }));
    whole.release();
    return LayerCache.from(model.runtime, model.config, layers, CONTEXT.length);
  }

  async function alone(ids: readonly number[]): Promise<Float32Array[]> {
    const cache = await gappedCache();
    const { data } = await model.forward({ ids, cache, logitRows: [...ids.keys()] });
    cache.release();
    const { vocabSize } = model.config;
    return ids.map((_, i) => data.slice(i * vocabSize, (i + 1) * vocabSize));
  }

  function expectEqual(got: readonly Float32Array[] | undefined, wanted: readonly Float32Array[]): void {
    expect(got?.length).toBe(wanted.length);
    const worst = wanted.map((row, i) => Math.max(...row.map((value, j) => Math.abs(value - (got?.[i]?.[j] ?? NaN)))));
    expect(Math.max(...worst)).toBeLessThan(1e-5);
  }

  test("each reads as if it were the only one, at once or in steps", async () => {
    const cache = await gappedCache();
    const branches = new Branches(model, cache);
    const together = await branches.read(TEXTS.map((ids, branch) => ({ branch, ids, logitsFrom: 0 })));
    for (const [i, ids] of TEXTS.entries()) expectEqual(together[i], await alone(ids));

    branches.end();
    expect([cache.length, cache.position]).toEqual([5, CONTEXT.length]);
    await branches.read(TEXTS.map((ids, branch) => ({ branch, ids: ids.slice(0, 1), logitsFrom: 1 })));
    const rest = await branches.read([2, 0].map((i) => ({ branch: i, ids: TEXTS[i]?.slice(1) ?? [], logitsFrom: 0 })));
    expectEqual(rest[0], (await alone(TEXTS[2] ?? [])).slice(1));
    expectEqual(rest[1], (await alone(TEXTS[0] ?? [])).slice(1));
    cache.release();
  });

  test("forgotten tokens are neither seen nor counted", async () => {
    const cache = await gappedCache();
    const branches = new Branches(model, cache);
    await branches.read(TEXTS.map((ids, branch) => ({ branch, ids: [...ids, 11, 12], logitsFrom: 99 })));
    for (const branch of TEXTS.keys()) branches.forget(branch, 2);
    const next = await branches.read(TEXTS.map((_, branch) => ({ branch, ids: [33], logitsFrom: 0 })));
    for (const [i, ids] of TEXTS.entries()) expectEqual(next[i], (await alone([...ids, 33])).slice(-1));
    cache.release();
  });

  test("greedy answers equal those decoded alone, stop tokens included", async () => {
    const maxTokens = 12;
    const plain = async (ids: readonly number[], stopIds: readonly number[]): Promise<number[]> => {
      const cache = await gappedCache();
      const answer: number[] = [];
      const random = randomFromSeed(0);
      for await (const id of decode(model, cache, ids, { maxTokens, stopIds, sampling: GREEDY, random }))
        answer.push(id);
      cache.release();
      return answer;
    };
    const unstopped = await Promise.all(TEXTS.map((ids) => plain(ids, [])));
    for (const stopIds of [[], [unstopped[1]?.[4] ?? 0], [unstopped[0]?.[0] ?? 0]]) {
      const cache = await gappedCache();
      const branches = new Branches(model, cache);
      const read = await branches.read(TEXTS.map((ids, branch) => ({ branch, ids, logitsFrom: ids.length - 1 })));
      const first = read.map((rows) => rows[0] ?? new Float32Array());
      const answers = await answerBranches(branches, first, { maxTokens, stopIds });
      for (const [i, ids] of TEXTS.entries()) {
        const wanted = await plain(ids, stopIds);
        expect(answers[i]?.ids).toEqual(wanted);
        expect(answers[i]?.finish).toBe(wanted.length < maxTokens ? "stop" : "length");
      }
      cache.release();
    }
  });

  test("more rows than the model reads are refused, learned positions past its limit too", async () => {
    const cache = await gappedCache();
    const branches = new Branches(model, cache);
    const { family, maxPositions } = model.config;
    const ids = new Array<number>(maxPositions - (family === "gpt2" ? CONTEXT.length : cache.length) + 1).fill(5);
    await expect(branches.read([{ branch: 0, ids: ids.slice(1), logitsFrom: ids.length }])).resolves.toEqual([[]]);
    branches.end();
    await expect(branches.read([{ branch: 0, ids, logitsFrom: 0 }])).rejects.toMatchObject({
      code: "context-too-long",
    });
    cache.release();
  });
});

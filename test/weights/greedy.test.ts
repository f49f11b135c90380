import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decode } from "../../src/generate/decode.ts";
import { GREEDY, logProbabilities } from "../../src/generate/sample.ts";
import { LanguageModel } from "../../src/models/language-model.ts";
import { createRuntime } from "../../src/runtime/runtime.ts";
import { randomFromSeed } from "../../src/util/random.ts";
import { readGolden, smollm2 } from "./smollm2.ts";

/** What PyTorch answered; all lists but `ids` have an entry for each of the next tokens. */
interface Prompt {
  readonly text: string;
  readonly ids: readonly number[];
  readonly next: readonly number[];
  readonly logProb: readonly number[];
  /** How far the second-best logit lies behind the best. */
  readonly gap: readonly number[];
}

const { prompts, logitNoise } = (await readGolden("greedy.json")) as {
  readonly prompts: readonly Prompt[];
  /** Largest error of a float32 logit. */
  readonly logitNoise: number;
};

/** Two logits nearer than this may change places: each of them may be off by the noise, here and in PyTorch. */
const NEAR = 4 * logitNoise;

let model: LanguageModel;
beforeAll(async () => {
  model = new LanguageModel(await smollm2(), await createRuntime());
});
afterAll(() => model.close());

/** The next `count` token ids, greedy, past end tokens. */
async function continuation(ids: readonly number[], count: number): Promise<number[]> {
  const cache = await model.newCache();
  const options = { maxTokens: count, stopIds: [], sampling: GREEDY, random: randomFromSeed(0) };
  const found: number[] = [];
  for await (const id of decode(model, cache, ids, options)) found.push(id);
  cache.release();
  return found;
}

test("20 prompts, 64 tokens each", () => {
  expect(prompts.map(({ next }) => next.length)).toEqual(new Array(20).fill(64));
});

describe.each(
  prompts.map((prompt, i) => ({ ...prompt, title: `${i + 1}. ${JSON.stringify(prompt.text.slice(-60))}` })),
)("$title", ({ text, ids, next, logProb, gap }) => {
  test("has the token ids of the Python tokenizer", () => {
    expect(model.files.tokenizer.encode(text, { special: "parse" })).toEqual(ids);
  });

  test("goes on token by token as in PyTorch", async () => {
    let done = 0;
    while (done < next.length) {
      const got = await continuation([...ids, ...next.slice(0, done)], next.length - done);
      const apart = got.findIndex((id, i) => id !== next[done + i]);
      if (apart < 0) break;
      const at = done + apart;
      const told = `token ${at + 1} is ${got[apart]} instead of ${next[at]}, whose logit is ahead by ${gap[at]} in PyTorch`;
      expect(gap[at], told).toBeLessThan(NEAR);
      console.info(`near-tie: ${told}`);
      // Both are right; PyTorch's choice is followed from here.
      done = at + 1;
    }
  });

  test("gives its tokens the same log-probabilities in one pass", async () => {
    const cache = await model.newCache();
    const rows = next.map((_, i) => ids.length - 1 + i);
    const { data, dims } = await model.forward({ ids: [...ids, ...next.slice(0, -1)], cache, logitRows: rows });
    cache.release();
    const width = dims[1] ?? 0;
    const got = next.map((id, i) => logProbabilities(data.subarray(i * width, (i + 1) * width))[id] ?? NaN);
    const apart = got.map((value, i) => Math.abs(value - (logProb[i] ?? NaN)));
    // Off by the noise are the logit and the sum over all of them. The golden values are rounded to 1e-6.
    expect(Math.max(...apart)).toBeLessThan(NEAR + 1e-6);
  });
});

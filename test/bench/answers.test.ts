import { expect, test } from "vitest";
import { answering } from "../../src/bench/ours/answers.ts";
import { compressIds } from "../../src/compress/compress.ts";
import { snapkv } from "../../src/compress/methods/snapkv.ts";
import { decode } from "../../src/generate/decode.ts";
import { readingCache } from "../../src/generate/generate.ts";
import { GREEDY } from "../../src/generate/sample.ts";
import { loadModel } from "../../src/models/load-model.ts";
import { randomFromSeed } from "../../src/util/random.ts";
import { tinyModel } from "../models/tiny-models.ts";

test("answers that are timed side by side are those of each question alone on its cache", async () => {
  const model = await loadModel(tinyModel("llama"), { threads: 1 });
  try {
    const random = randomFromSeed(7);
    const words = (count: number): number[] => Array.from({ length: count }, () => random.integer(200));
    const request = {
      work: "answers",
      context: words(40),
      keeps: [0.75, 0.25, 0.05],
      questions: [words(3), words(9), words(5)],
      steps: 6,
    } as const;
    const { tokens, check } = await answering(model, request, async (part) => ({ value: await part(), seconds: 1 }));
    expect(tokens).toBe(9);

    const alone: number[] = [];
    for (const keep of [30, 10, 2]) {
      const kept = await compressIds(model, request.context, {
        method: snapkv(),
        keep: { kind: "tokens", value: keep },
        sinks: 0,
      });
      for (const question of request.questions) {
        const options = { maxTokens: 6, stopIds: [], sampling: GREEDY, random };
        for await (const id of decode(model, await readingCache(model, kept), question, options)) alone.push(id);
      }
    }
    expect(alone).toHaveLength(54);
    expect(check.ids).toEqual(alone);
  } finally {
    await model.close();
  }
});

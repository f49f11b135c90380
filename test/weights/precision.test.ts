import { describe, expect, test } from "vitest";
import { divergence, teacherOf } from "../../src/evaluate/metrics/divergence.ts";
import type { LanguageModel } from "../../src/models/language-model.ts";
import { loadModel } from "../../src/models/load-model.ts";
import type { Precision } from "../../src/models/precision/precision.ts";
import { smollm2 } from "./smollm2.ts";

const TEXT = `The wreck was found in 1902 by sponge divers off a small island. Among its cargo was a lump of bronze gears, which for
fifty years nobody could explain. Later work with X-rays showed that it had predicted the places of the sun and the moon, and eclipses.`;

/** Logits after every token of the text but the last, read one by one as when decoding. */
async function stepByStep(model: LanguageModel, ids: readonly number[]): Promise<Float32Array[]> {
  const cache = await model.newCache();
  const logits: Float32Array[] = [];
  for (const id of ids.slice(0, -1)) logits.push((await model.forward({ ids: [id], cache, logitRows: [0] })).data);
  cache.release();
  return logits;
}

describe("weights of 8 and 4 bits", () => {
  test("predict within 0.01 nats of float32", async () => {
    const { name } = await smollm2();
    const read = async (precision: Precision): Promise<{ ids: number[]; logits: Float32Array[] }> => {
      const model = await loadModel(name, { precision });
      const ids = model.files.tokenizer.encodeParts([{ text: TEXT, special: "plain" }]);
      const logits = await stepByStep(model, ids);
      await model.close();
      return { ids, logits };
    };
    const exact = await read("fp32");
    for (const precision of ["int8", "int4"] as const) {
      const { logits } = await read(precision);
      const { forwardKl, top1 } = divergence(teacherOf(exact.logits), logits, exact.ids.slice(1));
      expect(forwardKl).toBeGreaterThan(0);
      expect(forwardKl).toBeLessThan(0.01);
      expect(top1).toBeGreaterThan(0.9);
    }
  });
});

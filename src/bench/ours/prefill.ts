import { divergence, teacherOf } from "../../evaluate/metrics/divergence.ts";
import { argmax } from "../../generate/sample.ts";
import { LanguageModel } from "../../models/language-model.ts";
import type { PrefillRequest } from "../sides/protocol.ts";
import type { Done, Measure } from "../sides/serve.ts";

/** Predictions that are compared: the logits of more would take more memory than the model. */
const COMPARED = 64;

/** The divergence of the text read before: telling it for every repetition would double the work. */
export interface PrefillState {
  key?: string;
  forwardKl?: number;
}

/** Reads a text into an empty cache, with the logits of its last token. */
export async function prefill(
  model: LanguageModel,
  { ids, fidelity }: PrefillRequest,
  state: PrefillState,
  measure: Measure,
): Promise<Done> {
  const { value, seconds } = await measure(() => lastLogits(model, ids, 1));
  const next = argmax(value);
  if (fidelity === undefined) return { seconds, tokens: ids.length, check: { next } };
  const key = ids.join();
  if (state.key !== key || state.forwardKl === undefined) {
    state.forwardKl = await divergenceFromFloat32(model, ids);
    state.key = key;
  }
  return { seconds, tokens: ids.length, check: { next, KL: state.forwardKl } };
}

/** Logits after each of the last tokens, [count, vocabulary]. */
async function lastLogits(model: LanguageModel, ids: readonly number[], count: number): Promise<Float32Array> {
  const cache = await model.newCache();
  const logitRows = Array.from({ length: count }, (_, i) => ids.length - count + i);
  try {
    return (await model.forward({ ids, cache, logitRows })).data;
  } finally {
    cache.release();
  }
}

/** Mean forward KL of predictions after the last tokens, in nats. */
async function divergenceFromFloat32(model: LanguageModel, ids: readonly number[]): Promise<number> {
  const count = Math.min(COMPARED, ids.length);
  const { vocabSize } = model.config;
  const read = async (reader: LanguageModel): Promise<Float32Array[]> => {
    const logits = await lastLogits(reader, ids, count);
    return Array.from({ length: count }, (_, i) => logits.subarray(i * vocabSize, (i + 1) * vocabSize));
  };
  const exact = teacherOf(await read(new LanguageModel(model.files, model.runtime)));
  return divergence(exact, await read(model), ids.slice(-count)).forwardKl;
}

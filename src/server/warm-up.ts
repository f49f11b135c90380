import { compressIds } from "../compress/compress.ts";
import { decode } from "../generate/decode.ts";
import { GREEDY } from "../generate/sample.ts";
import { SHORT_STEP } from "../models/precision/precision.ts";
import { randomFromSeed } from "../util/random.ts";
import { chosenMethod, type Service } from "./service.ts";

/** More than weights of fewer bits are used for: prompts are read by one graph, steps by another. */
const TOKENS = SHORT_STEP + 8;

/**
 * Reads a few tokens, compresses them and answers, so that the graphs for these are made before anybody asks: making one takes tenths of a
 * second, in which the process does nothing else.
 * @throws KvDistillError what the engine throws
 */
export async function warmUp(service: Service): Promise<void> {
  const { model, reader, adapter } = service;
  const ids = Array.from({ length: TOKENS }, (_, i) => i % model.config.vocabSize);
  const cache = await model.newCache();
  try {
    await model.forward({ ids, cache });
    cache.truncate(0, 0);
    const options = { maxTokens: 2, stopIds: [], sampling: GREEDY, random: randomFromSeed(0) };
    const tokens = decode(reader, cache, ids, options);
    while ((await tokens.next()).done !== true);
  } finally {
    cache.release();
  }
  if (adapter === undefined) return;
  const span = { start: 0, end: TOKENS };
  await compressIds(model, ids, { ...chosenMethod(service), span, keep: { kind: "fraction", value: 0.5 } });
}

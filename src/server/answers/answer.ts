import type { BatchedReader } from "../../generate/batched-reader.ts";
import { generate } from "../../generate/generate.ts";
import type { Finish } from "../../generate/decode.ts";
import type { Prompt } from "./prompt.ts";
import type { AnswerSettings } from "./settings.ts";
import { stopFilter } from "./stop-strings.ts";

/** How an answer ended. */
export interface Answered {
  readonly finish: Finish;
  readonly tokens: number;
}

/**
 * Streams an answer, up to a stop string.
 * @throws KvDistillError as `generate`; what opening the prompt's cache throws
 */
export async function* streamAnswer(
  reader: BatchedReader,
  prompt: Prompt,
  { maxTokens, stops, sampling, seed }: AnswerSettings,
  signal: AbortSignal,
): AsyncGenerator<string, Answered, undefined> {
  const cache = await prompt.open(signal);
  let tokens = 0;
  const pieces = generate(reader.model, {
    ...(cache === undefined ? {} : { cache }),
    promptIds: prompt.ids,
    maxTokens,
    sampling,
    seed,
    reader,
    onToken: () => tokens++,
    signal,
  });
  const filter = stopFilter(stops);
  try {
    let next = await pieces.next();
    for (; next.done !== true; next = await pieces.next()) {
      const text = filter.push(next.value);
      if (text !== "") yield text;
      if (filter.stopped) return { finish: "stop", tokens };
    }
    const rest = filter.end();
    if (rest !== "") yield rest;
    return { finish: next.value, tokens };
  } finally {
    await pieces.return("stop");
  }
}

import type { Tensor } from "../tensor/tensor.ts";
import { KvDistillError } from "../util/errors.ts";
import type { Random } from "../util/random.ts";
import { checkLogit, sampleToken, type Sampling } from "./sample.ts";

/** What decoding needs of a model: read tokens on top of a cache, and give the logits of some of them. */
export interface Reader<Cache> {
  forward(request: {
    readonly ids: readonly number[];
    readonly cache: Cache;
    readonly logitRows: readonly number[];
    readonly signal?: AbortSignal;
  }): Promise<Tensor<"float32">>;
  /** Told that nothing more is read on a cache, for now. */
  leave?(cache: Cache): void;
}

/** Why an answer ended: a stop token was chosen, or the limit came first. */
export type Finish = "stop" | "length";

export interface DecodeOptions {
  readonly maxTokens: number;
  /** Ids that end the answer; they are not given out. */
  readonly stopIds: readonly number[];
  readonly sampling: Sampling;
  readonly random: Random;
  readonly signal?: AbortSignal;
}

/**
 * Reads the prompt and gives out one token after another until a stop id or the limit. The cache grows by what was read.
 * @throws KvDistillError `bad-argument` for an empty prompt, `not-finite` when the logits are not numbers
 */
export async function* decode<Cache>(
  reader: Reader<Cache>,
  cache: Cache,
  promptIds: readonly number[],
  { maxTokens, stopIds, sampling, random, signal }: DecodeOptions,
): AsyncGenerator<number, Finish, undefined> {
  if (promptIds.length === 0) throw new KvDistillError("bad-argument", "the prompt has no tokens", { where: "prompt" });
  // A function of its own: an answer that nobody reads on must not hold its last logits.
  const next = async (ids: readonly number[]): Promise<number> => {
    const { data } = await reader.forward({
      ids,
      cache,
      logitRows: [ids.length - 1],
      ...(signal === undefined ? {} : { signal }),
    });
    const id = sampleToken(data, sampling, random);
    checkLogit(data[id]);
    return id;
  };
  let ids = promptIds;
  try {
    for (let count = 0; count < maxTokens; count++) {
      const id = await next(ids);
      if (stopIds.includes(id)) return "stop";
      yield id;
      ids = [id];
    }
    return "length";
  } finally {
    reader.leave?.(cache);
  }
}

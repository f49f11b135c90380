import type { KvCache } from "../../cache/kv-cache.ts";
import { contextLimit, type ModelConfig } from "../../models/config.ts";
import { KvDistillError } from "../../util/errors.ts";

/** Tokens of a prompt, as the OpenAI API counts them and beyond. */
export interface PromptUsage {
  /** Tokens that the answer follows, those of a context included, compressed or not. */
  readonly tokens: number;
  /** Of these, tokens of a stored context. */
  readonly cached: number;
  /** Of these, tokens of a compressed span. */
  readonly compressed: number;
  /** Rows that stand for the compressed tokens. */
  readonly kept: number;
}

/** What an answer is given to. */
export interface Prompt {
  /** Read before answering, on top of the cache. */
  readonly ids: readonly number[];
  /** Rows of the cache, and the position after it. */
  readonly before: { readonly rows: number; readonly position: number };
  readonly usage: PromptUsage;
  /** The cache to read from; none when the prompt is all there is. */
  open(signal: AbortSignal): Promise<KvCache | undefined>;
}

/**
 * Tokens of an answer for which the model has room.
 * @throws KvDistillError `context-too-long` when there is none
 */
export function roomFor(config: ModelConfig, { ids, before }: Pick<Prompt, "ids" | "before">): number {
  const limit = contextLimit(config);
  // Rotary positions have no end: what counts is how many rows are seen.
  const used = (config.positions === "learned" ? before.position : before.rows) + ids.length;
  // The last token of an answer is not read.
  const room = limit - used + 1;
  if (room >= 1) return room;
  throw new KvDistillError("context-too-long", "the model has no room for an answer", {
    where: "messages",
    expected: `at most ${limit} tokens in front of it`,
    got: String(used),
    hint: "compress more of it, or shorten it",
  });
}

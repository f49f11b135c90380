import type { KvCache } from "../../cache/kv-cache.ts";
import type { LoadedAdapter } from "../../compress/loaded-adapter.ts";
import type { CompressionMethod } from "../../compress/method.ts";
import { methodNamed, SAVED_METHOD_NAMES } from "../../compress/methods/index.ts";
import type { Finish } from "../../generate/decode.ts";
import type { AnswerOptions } from "../../generate/generate.ts";
import { GREEDY } from "../../generate/sample.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import type { PromptMessage } from "../../models/passage-prompt.ts";
import { KvDistillError } from "../../util/errors.ts";
import { localEncoder } from "../encoder/encoder.ts";
import { Conversation, type LiveMessage } from "./conversation.ts";
import { LiveCache } from "./live-cache.ts";

/** What a conversation begins with: a compressed context, or messages; nothing by default. */
export interface ConversationBeginning {
  readonly cache?: KvCache;
  readonly messages?: readonly PromptMessage[];
  readonly signal?: AbortSignal;
}

/** A run of finished messages, `to` not included, and the fraction of its tokens that stays. A context counts as message 0. */
export interface MessageRun {
  readonly from: number;
  readonly to: number;
  readonly keep: number;
  /** Default: "kv-distill", which needs `adapter`. */
  readonly method?: string;
  readonly adapter?: LoadedAdapter;
  readonly seed?: number;
  readonly signal?: AbortSignal;
}

/** A chat whose cache stays with the model, for programs that have no server. One call at a time. */
export interface LiveConversation {
  readonly messages: readonly LiveMessage[];
  /** Tokens said so far: positions go on from here. */
  readonly tokens: number;
  /** Rows that the model reads: fewer, once something was compressed. */
  readonly rows: number;
  /**
   * Reads a user's message and streams the answer. What fails or is left in the middle leaves the conversation as it was.
   * @throws KvDistillError `context-too-long` when the model has no room for an answer, `cancelled`
   */
  ask(content: string, options?: Omit<AnswerOptions, "onToken">): AsyncGenerator<string, Finish, undefined>;
  /**
   * Puts the kept rows of a run of messages in the place of its rows; all others stay as they are.
   * @returns rows that stand for the run now
   * @throws KvDistillError `bad-argument` for a run that is not there or cuts one that is compressed already; as `compressIds`
   */
  compress(run: MessageRun): Promise<number>;
  release(): void;
}

const DEFAULT_SINKS = 4;
const DEFAULT_MAX_TOKENS = 256;

/**
 * Starts a live conversation.
 * @throws KvDistillError `model-mismatch`, `unsupported`, `context-too-long`
 */
export async function startConversation(
  model: LanguageModel,
  { cache, messages = [], signal = NEVER }: ConversationBeginning = {},
): Promise<LiveConversation> {
  const live = cache === undefined ? await LiveCache.empty(model) : await LiveCache.from(model, cache);
  const conversation = new Conversation(live, localEncoder(model.files.tokenizer));
  try {
    await conversation.begin(messages, signal);
  } catch (error) {
    conversation.release();
    throw error;
  }
  return {
    get messages() {
      return conversation.messages;
    },
    get tokens() {
      return live.tokens;
    },
    get rows() {
      return live.rows.heldRows;
    },
    async *ask(content, { maxTokens = DEFAULT_MAX_TOKENS, sampling = GREEDY, seed = 0, signal: stop = NEVER } = {}) {
      const turn = await conversation.plan(content);
      const settings = { maxTokens: Math.min(maxTokens, turn.room), sampling, seed };
      const { finish } = yield* conversation.answer(turn, settings, stop);
      return finish;
    },
    compress: async ({ from, to, keep, method = "kv-distill", adapter, seed = 0, signal: stop = NEVER }) =>
      live.compress({
        span: spanOf(conversation.messages, from, to),
        keep: { kind: "fraction", value: keep },
        method: savableMethod(method, adapter),
        sinks: adapter?.adapter.config.sinks ?? DEFAULT_SINKS,
        seed,
        signal: stop,
      }),
    release: () => {
      conversation.release();
    },
  };
}

const NEVER = new AbortController().signal;

/** All rows that stay are real, and none was chosen by a question. */
function savableMethod(name: string, adapter: LoadedAdapter | undefined): CompressionMethod {
  if (SAVED_METHOD_NAMES.includes(name)) return methodNamed(name, adapter);
  throw new KvDistillError("unsupported", "this method cannot compress a conversation", {
    where: name,
    expected: SAVED_METHOD_NAMES.join(", "),
  });
}

function spanOf(messages: readonly LiveMessage[], from: number, to: number): { start: number; end: number } {
  const [first, last] = [messages[from], messages[to - 1]];
  if (first !== undefined && last !== undefined && from < to) return { start: first.start, end: last.end };
  throw new KvDistillError("bad-argument", "there are no such messages", {
    expected: `0 ≤ from < to ≤ ${messages.length}`,
    got: `from ${from} to ${to}`,
  });
}

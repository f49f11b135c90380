import { randomBytes } from "node:crypto";
import type { Finish } from "../../generate/decode.ts";
import type { ModelFiles } from "../../models/model-files.ts";
import type { PromptUsage } from "./prompt.ts";

/** `usage` of an answer: the OpenAI API's, and in the details what was compressed. */
export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: {
    readonly cached_tokens: number;
    /** Tokens of compressed spans. */
    readonly compressed_tokens: number;
    /** Rows that stand for them. */
    readonly kept_tokens: number;
  };
}

export function usageOf({ tokens, cached, compressed, kept }: PromptUsage, answered: number): Usage {
  return {
    prompt_tokens: tokens,
    completion_tokens: answered,
    total_tokens: tokens + answered,
    prompt_tokens_details: { cached_tokens: cached, compressed_tokens: compressed, kept_tokens: kept },
  };
}

/** How one endpoint writes its answers. */
export interface ReplyShape {
  /** The whole answer. */
  whole(text: string, finish: Finish, usage: Usage): object;
  /** The stream's first event, before any text; none for text completions. */
  opening(): object | undefined;
  piece(text: string): object;
  /** The last event with a choice: why the answer ended. */
  closing(finish: Finish): object;
  /** The event after that, when the client asks for it. */
  usage(usage: Usage): object;
}

interface Names {
  readonly prefix: string;
  readonly object: string;
  readonly chunk: string;
}

const CHAT: Names = { prefix: "chatcmpl", object: "chat.completion", chunk: "chat.completion.chunk" };
const TEXT: Names = { prefix: "cmpl", object: "text_completion", chunk: "text_completion" };

function headOf({ prefix, object, chunk }: Names, files: ModelFiles): { whole: object; chunk: object } {
  const same = {
    id: `${prefix}-${randomBytes(12).toString("hex")}`,
    created: Math.floor(Date.now() / 1000),
    model: files.name,
    system_fingerprint: `fp_${files.hash.slice(0, 12)}`,
  };
  return { whole: { ...same, object }, chunk: { ...same, object: chunk } };
}

/** @param extra fields of the server's own, beside those of the API */
export function chatReply(files: ModelFiles, extra: () => object = () => ({})): ReplyShape {
  const head = headOf(CHAT, files);
  const chunk = (delta: object, finish: Finish | null): object => ({
    ...head.chunk,
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
  });
  return {
    whole: (content, finish, usage) => ({
      ...head.whole,
      choices: [
        { index: 0, message: { role: "assistant", content, refusal: null }, logprobs: null, finish_reason: finish },
      ],
      usage,
      ...extra(),
    }),
    opening: () => chunk({ role: "assistant", content: "" }, null),
    piece: (content) => chunk({ content }, null),
    closing: (finish) => ({ ...chunk({}, finish), ...extra() }),
    usage: (usage) => ({ ...head.chunk, choices: [], usage }),
  };
}

export function textReply(files: ModelFiles): ReplyShape {
  const head = headOf(TEXT, files);
  const choices = (text: string, finish: Finish | null): object[] => [
    { index: 0, text, logprobs: null, finish_reason: finish },
  ];
  return {
    whole: (text, finish, usage) => ({ ...head.whole, choices: choices(text, finish), usage }),
    opening: () => undefined,
    piece: (text) => ({ ...head.chunk, choices: choices(text, null) }),
    closing: (finish) => ({ ...head.chunk, choices: choices("", finish) }),
    usage: (usage) => ({ ...head.chunk, choices: [], usage }),
  };
}

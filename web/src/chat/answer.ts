import { ApiError, type Api, brokenOff } from "../api/api.ts";
import type { AnswerChunk, ConversationFacts } from "../api/types.ts";

/** How an answer came. Seconds are counted here, from the moment the question is sent. */
export interface AnswerSpeed {
  readonly tokens: number;
  readonly secondsToFirst: number | undefined;
  /** Over the tokens after the first. */
  readonly tokensPerSecond: number | undefined;
}

export interface FinishedAnswer {
  readonly speed: AnswerSpeed;
  /** It was cut at the longest length. */
  readonly cut: boolean;
  readonly conversation: ConversationFacts | undefined;
}

/**
 * Asks a conversation something.
 * @param onText is told each piece of the answer
 * @throws ApiError; what an aborted request throws
 */
export async function askConversation(
  api: Api,
  id: string,
  content: string,
  maxTokens: number,
  signal: AbortSignal,
  onText: (piece: string) => void,
): Promise<FinishedAnswer> {
  const begun = performance.now();
  const seconds = (): number => (performance.now() - begun) / 1000;
  const times: { first?: number; last: number } = { last: 0 };
  let tokens = 0;
  let cut = false;
  let conversation: ConversationFacts | undefined;
  const body = { content, stream: true, stream_options: { include_usage: true }, max_tokens: maxTokens };
  for await (const { data } of api.events(`/v1/conversations/${id}/messages`, body, signal)) {
    if (data === "[DONE]") return { speed: speedOf(tokens, times), cut, conversation };
    const chunk = JSON.parse(data) as AnswerChunk;
    if (chunk.error !== undefined) throw new ApiError(200, chunk.error);
    const [choice] = chunk.choices;
    const piece = choice?.delta.content ?? "";
    if (piece !== "") {
      times.last = seconds();
      times.first ??= times.last;
      onText(piece);
    }
    if (choice?.finish_reason === "length") cut = true;
    tokens = chunk.usage?.completion_tokens ?? tokens;
    conversation = chunk.conversation ?? conversation;
  }
  throw brokenOff();
}

function speedOf(tokens: number, { first, last }: { readonly first?: number; readonly last: number }): AnswerSpeed {
  const between = first === undefined ? 0 : last - first;
  const tokensPerSecond = tokens > 1 && between > 0 ? (tokens - 1) / between : undefined;
  return { tokens, secondsToFirst: first, tokensPerSecond };
}

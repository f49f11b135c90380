import { formatCount, formatDuration, formatRate } from "../util/format.ts";

/** How fast an answer came. */
export interface AnswerSpeed {
  readonly promptTokens: number;
  readonly tokens: number;
  /** Seconds from the start to the first token; null when there was none. */
  readonly secondsToFirst: number | null;
  /** Seconds from the start to the last token. */
  readonly seconds: number;
  /** Over the tokens after the first; null with fewer than two. */
  readonly tokensPerSecond: number | null;
}

/** A clock that is told each token of an answer. It starts when it is made. */
export function startAnswerMeter(promptTokens: number): { token(): void; speed(): AnswerSpeed } {
  const begun = performance.now();
  let tokens = 0;
  let first: number | null = null;
  let last = 0;
  return {
    token: () => {
      last = (performance.now() - begun) / 1000;
      first ??= last;
      tokens++;
    },
    speed: () => ({
      promptTokens,
      tokens,
      secondsToFirst: first,
      seconds: last,
      tokensPerSecond: first === null || tokens < 2 || last <= first ? null : (tokens - 1) / (last - first),
    }),
  };
}

/** `12 prompt tokens, first token after 120 ms; 40 tokens in 1.2 s, 36.1 tokens/s`. */
export function speedText({ promptTokens, tokens, secondsToFirst, seconds, tokensPerSecond }: AnswerSpeed): string {
  const parts = [`${formatCount(promptTokens)} prompt tokens`];
  if (secondsToFirst !== null) parts.push(`first token after ${formatDuration(secondsToFirst)}`);
  const rate = tokensPerSecond === null ? "" : `, ${formatRate(tokensPerSecond, "tokens")}`;
  return `${parts.join(", ")}; ${formatCount(tokens)} tokens in ${formatDuration(seconds)}${rate}`;
}

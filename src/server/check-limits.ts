import { Refusal } from "./http/refusal.ts";
import type { Limits } from "./limits.ts";

/** @param tokens of a text that is to be compressed @throws Refusal `too-large` */
export function checkContextTokens({ contextTokens }: Limits, tokens: number, param?: string): void {
  if (tokens <= contextTokens) return;
  throw new Refusal("too-large", `the context has ${tokens} tokens, the limit is ${contextTokens}`, {
    ...(param === undefined ? {} : { param }),
  });
}

/** @throws Refusal `too-large` */
export function checkMessages(limits: Limits, messages: readonly unknown[]): void {
  if (messages.length <= limits.messages) return;
  throw new Refusal("too-large", `there may be ${limits.messages} messages`, { param: "messages" });
}

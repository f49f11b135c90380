import { z } from "zod";
import { boundedList } from "../../util/bounded-list.ts";
import type { AskedKeep } from "../../cache/kv-cache.ts";
import { keepFraction } from "../../compress/keep-text.ts";
import { SAVED_METHOD_NAMES } from "../../compress/methods/index.ts";
import { isKvDistillError } from "../../util/errors.ts";
import { CONTEXT_ID } from "../contexts/context-id.ts";

const count = z.int().min(1);

/** How much to keep: `"5%"`, `{"tokens": 64}` or `{"bytes": 2000000}`. */
export const keepField = z.union(
  [
    z.string().transform((text, context): AskedKeep => {
      try {
        return { kind: "fraction", value: keepFraction(text) };
      } catch (error) {
        if (!isKvDistillError(error)) throw error;
        context.addIssue({ code: "custom", message: error.message });
        return z.NEVER;
      }
    }),
    z.strictObject({ tokens: count }).transform(({ tokens }): AskedKeep => ({ kind: "tokens", value: tokens })),
    z.strictObject({ bytes: count }).transform(({ bytes }): AskedKeep => ({ kind: "bytes", value: bytes })),
  ],
  { error: 'expected "5%", {"tokens": N} or {"bytes": N}' },
);

export const methodField = z.enum(SAVED_METHOD_NAMES as [string, ...string[]]);

export const contextField = z.string().regex(CONTEXT_ID, "no id of a context");

/** Text of a message: a string, or parts of text as the OpenAI API has them. */
export const contentField = z.union(
  [
    z.string(),
    boundedList(z.strictObject({ type: z.literal("text"), text: z.string() })).transform((parts) =>
      parts.map(({ text }) => text).join(""),
    ),
  ],
  { error: "expected text: a string, or a list of parts of type text" },
);

/** A message of a chat. Fields of an answer that was put back into the chat are allowed where they say nothing. */
export const messageField = z
  .strictObject({
    role: z.enum(["system", "developer", "user", "assistant"]),
    content: contentField,
    name: z.null().optional(),
    refusal: z.null().optional(),
    annotations: z.tuple([]).nullish(),
    audio: z.null().optional(),
    function_call: z.null().optional(),
    tool_calls: z.tuple([]).nullish(),
  })
  .transform(({ role, content }) => ({ role: role === "developer" ? ("system" as const) : role, content }));

import { z } from "zod";
import { boundedList } from "../../util/bounded-list.ts";
import { drawingFields } from "../answers/settings.ts";
import { contentField, contextField, keepField, messageField, methodField } from "../http/fields.ts";

/** Body of POST /v1/conversations. */
export const conversationRequest = z
  .strictObject({
    messages: boundedList(messageField).default([]),
    context: contextField.optional(),
    /** The whole of the context is read: nothing is compressed. */
    full: z.boolean().default(false),
  })
  .refine(({ context, full }) => context !== undefined || !full, {
    message: "full is about a context: name one",
    path: ["full"],
  });
export type ConversationRequest = z.infer<typeof conversationRequest>;

/** Body of POST /v1/conversations/:id/messages. */
export const turnRequest = z.strictObject({
  content: contentField,
  ...drawingFields,
  stream: z.boolean().default(false),
  stream_options: z.strictObject({ include_usage: z.boolean().default(false) }).optional(),
});

/** Body of POST /v1/conversations/:id/compress: messages from the first to before the second. */
export const spanRequest = z.strictObject({
  from: z.int().min(0),
  to: z.int().min(1),
  keep: keepField,
  method: methodField.optional(),
  seed: z.int().min(0).default(0),
});

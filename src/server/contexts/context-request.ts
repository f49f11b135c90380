import { z } from "zod";
import { contentField, keepField, messageField, methodField } from "../http/fields.ts";

/** Body of POST /v1/contexts. */
export const contextRequest = z
  .strictObject({
    text: contentField.optional(),
    messages: z.array(messageField).min(1).optional(),
    /** The part to compress is marked in the text. */
    marked: z.boolean().default(false),
    keep: keepField,
    method: methodField.optional(),
    /** Fold by fold: true, or the longest fold's tokens. */
    fold: z.union([z.boolean(), z.int().min(1)]).default(false),
    seed: z.int().min(0).default(0),
    /** Compare with the full cache: true, or questions to compare answers of. */
    fidelity: z
      .union([z.boolean(), z.strictObject({ questions: z.array(z.string().min(1)).min(1).max(8) })])
      .default(false),
  })
  .refine(({ text, messages }) => (text === undefined) !== (messages === undefined), {
    message: "give either text or messages",
    path: ["text"],
  });
export type ContextRequest = z.infer<typeof contextRequest>;

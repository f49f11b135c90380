import { z } from "zod";
import { boundedList } from "../../util/bounded-list.ts";
import { contentField, keepField, messageField, methodField } from "../http/fields.ts";

/** Body of POST /v1/contexts. */
export const contextRequest = z
  .strictObject({
    text: contentField.optional(),
    messages: boundedList(messageField, { least: 1 }).optional(),
    /** The part to compress is marked in the text. */
    marked: z.boolean().default(false),
    keep: keepField,
    method: methodField.optional(),
    /** Fold by fold: true, or the longest fold's tokens. */
    fold: z.union([z.boolean(), z.int().min(1)]).default(false),
    seed: z.int().min(0).default(0),
    /** Compare with the full cache: true, or questions to compare answers of. */
    fidelity: z
      .union([z.boolean(), z.strictObject({ questions: boundedList(z.string().min(1), { least: 1, most: 8 }) })])
      .default(false),
  })
  .refine(({ text, messages }) => (text === undefined) !== (messages === undefined), {
    message: "give either text or messages",
    path: ["text"],
  });
export type ContextRequest = z.infer<typeof contextRequest>;

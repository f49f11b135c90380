import { z } from "zod";
import { boundedList } from "../../util/bounded-list.ts";
import { messageField } from "../http/fields.ts";
import { settingsFields } from "./settings.ts";

/** Body of POST /v1/chat/completions, as https://platform.openai.com/docs/api-reference/chat/create has it, and `context`, `keep`, `method`. */
export const chatRequest = z.strictObject({
  ...settingsFields,
  messages: boundedList(messageField, { least: 1 }),
  logprobs: z.literal(false).nullish(),
  top_logprobs: z.literal(0).nullish(),
  response_format: z.strictObject({ type: z.literal("text") }).nullish(),
  modalities: z.tuple([z.literal("text")]).nullish(),
  tools: z.tuple([]).nullish(),
  functions: z.tuple([]).nullish(),
  tool_choice: z.enum(["none", "auto"]).nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  store: z.literal(false).nullish(),
});
export type ChatRequest = z.infer<typeof chatRequest>;

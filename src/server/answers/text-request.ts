import { z } from "zod";
import { boundedList } from "../../util/bounded-list.ts";
import { settingsFields } from "./settings.ts";

const ids = boundedList(z.int().min(0), { least: 1 });

/** Body of POST /v1/completions, as https://platform.openai.com/docs/api-reference/completions/create has it, and `context`, `keep`, `method`. */
export const textRequest = z.strictObject({
  ...settingsFields,
  prompt: z.union(
    [z.string(), ids, z.tuple([z.string()]).transform(([text]) => text), z.tuple([ids]).transform(([own]) => own)],
    {
      error: "expected one text, or one list of token ids",
    },
  ),
  best_of: z.literal(1).nullish(),
  echo: z.literal(false).nullish(),
  logprobs: z.null().optional(),
  suffix: z.union([z.literal(""), z.null()]).optional(),
});
export type TextRequest = z.infer<typeof textRequest>;

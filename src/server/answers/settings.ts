import { randomInt } from "node:crypto";
import { z } from "zod";
import { boundedList } from "../../util/bounded-list.ts";
import type { Sampling } from "../../generate/sample.ts";
import { Refusal } from "../http/refusal.ts";
import { contextField, keepField, methodField } from "../http/fields.ts";

const stop = z.union([z.string().min(1), boundedList(z.string().min(1), { most: 16 })], {
  error: "expected a text, or a list of at most 16, none of them empty",
});

/** How an answer is drawn. */
export const drawingFields = {
  max_tokens: z.int().min(1).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  seed: z.int().min(0).nullish(),
};

/** Fields that both kinds of answers have. */
export const settingsFields = {
  ...drawingFields,
  model: z.string(),
  max_completion_tokens: z.int().min(1).nullish(),
  stop: stop.nullish(),
  stream: z.boolean().nullish(),
  stream_options: z
    .strictObject({ include_usage: z.boolean().nullish(), include_obfuscation: z.literal(false).nullish() })
    .nullish(),
  context: contextField.nullish(),
  keep: keepField.nullish(),
  method: methodField.nullish(),
  // What is not handled may be sent where it asks for nothing.
  n: z.literal(1).nullish(),
  frequency_penalty: z.literal(0).nullish(),
  presence_penalty: z.literal(0).nullish(),
  logit_bias: z.strictObject({}).nullish(),
  // What has no bearing on the answer.
  user: z.string().nullish(),
  safety_identifier: z.string().nullish(),
  prompt_cache_key: z.string().nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
  service_tier: z.string().nullish(),
};

export type SettingsRequest = z.infer<z.ZodObject<typeof settingsFields>>;

export interface AnswerSettings {
  readonly maxTokens: number;
  readonly stops: readonly string[];
  readonly sampling: Sampling;
  readonly seed: number;
}

export type DrawingRequest = Pick<SettingsRequest, "max_tokens" | "temperature" | "top_p" | "seed"> &
  Partial<Pick<SettingsRequest, "max_completion_tokens" | "stop">>;

/**
 * How to answer. Greedy unless a temperature is given; a drawn answer without a seed is another one every time.
 * @param limit tokens of an answer that the server allows
 * @param room tokens for which the model has room: an answer ends there, by length
 * @throws Refusal `bad-argument`
 */
export function answerSettings(request: DrawingRequest, limit: number, room: number): AnswerSettings {
  const { max_tokens: older, max_completion_tokens: newer, stop: stops, temperature, top_p: topP, seed } = request;
  if (older != null && newer != null && older !== newer) {
    throw new Refusal("bad-argument", "max_tokens and max_completion_tokens differ", {
      param: "max_completion_tokens",
    });
  }
  const asked = newer ?? older;
  if (asked != null && asked > limit) {
    throw new Refusal("bad-argument", `an answer may have ${limit} tokens at most`, {
      param: newer == null ? "max_tokens" : "max_completion_tokens",
    });
  }
  return {
    maxTokens: Math.min(asked ?? limit, room),
    stops: stops == null ? [] : typeof stops === "string" ? [stops] : stops,
    sampling: { temperature: temperature ?? 0, topP: topP ?? 1 },
    seed: seed ?? randomInt(2 ** 47),
  };
}

import { z } from "zod";
import { KvDistillError } from "../util/errors.ts";
import { quote } from "../util/quote.ts";
import type { ModelConfig } from "./config.ts";
import { eosField, eosList } from "./config/fields.ts";
import { gpt2Config, gpt2Schema } from "./config/gpt2.ts";
import { llamaConfig, llamaSchema, llamaTypes } from "./config/llama.ts";

/**
 * Hugging Face's config.json as a `ModelConfig`. Absent fields take the values that transformers' configuration class of
 * that `model_type` gives them. All faults are reported at once.
 * @param where the file's path, for messages
 * @throws KvDistillError `bad-file` for missing or impossible fields, `unsupported` for a model or a field that would
 * change the mathematics and is not handled.
 */
export function readModelConfig(json: unknown, where: string): ModelConfig {
  const { model_type: type } = parse(z.looseObject({ model_type: z.string() }), json, where);
  const unsupported: string[] = [];
  const faults: string[] = [];
  const config = readFamily(type, json, where, unsupported, faults);
  if (faults.length > 0) {
    throw new KvDistillError("bad-file", "the configuration is wrong", { where, faults: [...faults, ...unsupported] });
  }
  if (unsupported.length > 0) {
    throw new KvDistillError("unsupported", `this ${type} model needs what is not supported`, {
      where,
      faults: unsupported,
    });
  }
  return config;
}

/**
 * The configuration with the end tokens of generation_config.json, which has the fuller list in chat models.
 * @throws KvDistillError `bad-file`.
 */
export function withGenerationConfig(config: ModelConfig, json: unknown, where: string): ModelConfig {
  const fields = parse(z.looseObject({ eos_token_id: eosField }), json, where);
  return { ...config, eosTokenIds: [...new Set([...config.eosTokenIds, ...eosList(fields.eos_token_id)])] };
}

function readFamily(type: string, json: unknown, where: string, unsupported: string[], faults: string[]): ModelConfig {
  if (llamaTypes.includes(type)) return llamaConfig(parse(llamaSchema, json, where), unsupported, faults);
  if (type === "gpt2") return gpt2Config(parse(gpt2Schema, json, where), unsupported, faults);
  throw new KvDistillError("unsupported", "unknown model_type", {
    where,
    expected: [...llamaTypes, "gpt2"].join(", "),
    got: quote(type),
  });
}

function parse<T>(schema: z.ZodType<T>, json: unknown, where: string): T {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const faults = result.error.issues.map((issue) => `${issue.path.join(".") || "(whole file)"}: ${issue.message}`);
  throw new KvDistillError("bad-file", "the configuration is wrong", { where, faults, cause: result.error });
}

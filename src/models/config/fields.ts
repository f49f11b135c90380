import { z } from "zod";
import type { Activation } from "../config.ts";

/** A count or size in config.json. The cap keeps products of two of them exact and allocations sane. */
export const size = z
  .int()
  .positive()
  .max(1 << 24);
export const tokenId = z
  .int()
  .min(0)
  .max(1 << 24);
export const eosField = z.union([tokenId, z.array(tokenId)]).nullish();

/** Fields that every family reads. */
export const commonFields = {
  model_type: z.string(),
  architectures: z.array(z.string()).nullish(),
  vocab_size: size,
  bos_token_id: tokenId.nullish(),
  eos_token_id: eosField,
  tie_word_embeddings: z.boolean().nullish(),
  quantization_config: z.unknown(),
};

const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  silu: "silu",
  swish: "silu",
  gelu: "gelu",
  gelu_new: "gelu-tanh",
  gelu_pytorch_tanh: "gelu-tanh",
  gelu_fast: "gelu-tanh",
};

/** The activation of that name; an unknown one is added to `unsupported`. */
export function readActivation(field: string, name: string, unsupported: string[]): Activation {
  const activation = ACTIVATIONS[name];
  if (activation === undefined) {
    unsupported.push(`${field}: "${name}" (known: ${Object.keys(ACTIVATIONS).join(", ")})`);
  }
  return activation ?? "silu";
}

/** One end token or several, as a list. */
export function eosList(value: z.infer<typeof eosField>): number[] {
  if (value === undefined || value === null) return [];
  return typeof value === "number" ? [value] : value;
}

/** Faults that any family can have. */
export function refuseCommon(fields: z.infer<z.ZodObject<typeof commonFields>>, unsupported: string[]): void {
  if (fields.quantization_config !== undefined && fields.quantization_config !== null) {
    unsupported.push("quantization_config: quantised weights (convert the model to float first, or use GGUF)");
  }
  const names = fields.architectures ?? [];
  if (names.length > 0 && !names.some((name) => /(ForCausalLM|LMHeadModel)$/.test(name))) {
    unsupported.push(`architectures: ${names.join(", ")} (a causal language model is needed)`);
  }
}

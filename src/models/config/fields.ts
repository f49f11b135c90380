import { z } from "zod";
import { boundedList } from "../../util/bounded-list.ts";

/** A count or size in config.json. The cap keeps products of two of them exact and allocations sane. */
export const size = z
  .int()
  .positive()
  .max(1 << 24);
export const tokenId = z
  .int()
  .min(0)
  .max(1 << 24);
export const eosField = z.union([tokenId, boundedList(tokenId)]).nullish();

/** Fields that every family reads. */
export const commonFields = {
  model_type: z.string(),
  architectures: boundedList(z.string()).nullish(),
  vocab_size: size,
  bos_token_id: tokenId.nullish(),
  eos_token_id: eosField,
  tie_word_embeddings: z.boolean().nullish(),
  quantization_config: z.unknown().optional(),
};

/** The MLP's activation is fixed by the family; any other is added to `unsupported`. */
export function requireActivation(field: string, name: string, known: readonly string[], unsupported: string[]): void {
  if (!known.includes(name)) unsupported.push(`${field}: "${name}" (known: ${known.join(", ")})`);
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

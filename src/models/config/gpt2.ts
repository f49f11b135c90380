import { z } from "zod";
import type { Gpt2Config } from "../config.ts";
import { commonFields, eosList, refuseCommon, requireActivation, size } from "./fields.ts";

export const gpt2Schema = z.looseObject({
  ...commonFields,
  n_embd: size,
  n_layer: size,
  n_head: size,
  n_inner: size.nullish(),
  n_positions: size,
  layer_norm_epsilon: z.number().positive(),
  activation_function: z.string().nullish(),
  scale_attn_weights: z.boolean().nullish(),
  scale_attn_by_inverse_layer_idx: z.boolean().nullish(),
  add_cross_attention: z.boolean().nullish(),
});

/** Three spellings of one function. */
const TANH_GELU = ["gelu_new", "gelu_pytorch_tanh", "gelu_fast"];

/** Faults go into the two lists; the result counts only when both stay empty. */
export function gpt2Config(fields: z.infer<typeof gpt2Schema>, unsupported: string[], faults: string[]): Gpt2Config {
  refuseCommon(fields, unsupported);
  requireActivation("activation_function", fields.activation_function ?? "gelu_new", TANH_GELU, unsupported);
  if (fields.scale_attn_weights === false) unsupported.push("scale_attn_weights: false");
  if (fields.scale_attn_by_inverse_layer_idx === true) unsupported.push("scale_attn_by_inverse_layer_idx: true");
  if (fields.add_cross_attention === true) unsupported.push("add_cross_attention: true");
  const headDim = fields.n_embd / fields.n_head;
  if (!Number.isInteger(headDim)) faults.push(`n_embd: ${fields.n_embd} is not a multiple of n_head, ${fields.n_head}`);
  return {
    family: "gpt2",
    positions: "learned",
    activation: "gelu-tanh",
    modelType: fields.model_type,
    numLayers: fields.n_layer,
    hiddenSize: fields.n_embd,
    numQueryHeads: fields.n_head,
    numKvHeads: fields.n_head,
    headDim,
    intermediateSize: fields.n_inner ?? 4 * fields.n_embd,
    vocabSize: fields.vocab_size,
    normEpsilon: fields.layer_norm_epsilon,
    tieWordEmbeddings: fields.tie_word_embeddings ?? true,
    maxPositions: fields.n_positions,
    bosTokenId: fields.bos_token_id ?? undefined,
    eosTokenIds: eosList(fields.eos_token_id),
  };
}

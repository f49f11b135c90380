import { z } from "zod";
import { boundedList } from "../../util/bounded-list.ts";
import type { LlamaConfig } from "../config.ts";
import { commonFields, eosList, refuseCommon, requireActivation, size } from "./fields.ts";
import { readRope, ropeFields } from "./rope.ts";

/** What sets the members of the family apart where config.json is silent; from transformers' configuration classes. */
interface Member {
  readonly qkvBias: boolean | "attention_bias";
  readonly outputBias: boolean | "attention_bias";
  readonly qkNorm: boolean;
  readonly headDim: number | "hidden_size / num_attention_heads";
  readonly window: "none" | "always" | "use_sliding_window";
}

const HEAD_DIM = "hidden_size / num_attention_heads";

const MEMBERS: Readonly<Record<string, Member>> = {
  llama: {
    qkvBias: "attention_bias",
    outputBias: "attention_bias",
    qkNorm: false,
    headDim: HEAD_DIM,
    window: "none",
  },
  mistral: { qkvBias: false, outputBias: false, qkNorm: false, headDim: HEAD_DIM, window: "always" },
  qwen2: {
    qkvBias: true,
    outputBias: false,
    qkNorm: false,
    headDim: HEAD_DIM,
    window: "use_sliding_window",
  },
  qwen3: {
    qkvBias: "attention_bias",
    outputBias: "attention_bias",
    qkNorm: true,
    headDim: 128,
    window: "use_sliding_window",
  },
};

/** The `model_type`s that are Llama-like. */
export const llamaTypes: readonly string[] = Object.keys(MEMBERS);

const schema = z.looseObject({
  ...commonFields,
  ...ropeFields,
  hidden_size: size,
  intermediate_size: size,
  num_hidden_layers: size,
  num_attention_heads: size,
  num_key_value_heads: size.nullish(),
  head_dim: size.nullish(),
  hidden_act: z.string().nullish(),
  max_position_embeddings: size,
  rms_norm_eps: z.number().positive(),
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
  sliding_window: size.nullish(),
  use_sliding_window: z.boolean().nullish(),
  max_window_layers: z.int().min(0).nullish(),
  layer_types: boundedList(z.string()).nullish(),
});
type Fields = z.infer<typeof schema>;

export const llamaSchema = schema;

/** Faults go into the two lists; the result counts only when both stay empty. */
export function llamaConfig(fields: Fields, unsupported: string[], faults: string[]): LlamaConfig {
  const member = MEMBERS[fields.model_type];
  if (member === undefined) throw new TypeError(`not a Llama-like model_type: ${fields.model_type}`);
  refuseCommon(fields, unsupported);
  requireActivation("hidden_act", fields.hidden_act ?? "silu", ["silu", "swish"], unsupported);
  if (fields.model_type === "llama" && fields.mlp_bias === true) unsupported.push("mlp_bias: true");
  const rope = readRope(fields, unsupported, faults);
  const numQueryHeads = fields.num_attention_heads;
  const numKvHeads = fields.num_key_value_heads ?? numQueryHeads;
  if (numQueryHeads % numKvHeads !== 0) {
    faults.push(`num_attention_heads: ${numQueryHeads} is not a multiple of num_key_value_heads, ${numKvHeads}`);
  }
  const headDim =
    fields.head_dim ?? (member.headDim === HEAD_DIM ? fields.hidden_size / numQueryHeads : member.headDim);
  if (!Number.isInteger(headDim / 2)) faults.push(`head_dim: ${headDim} is not an even whole number`);
  return {
    family: "llama",
    positions: "rotary",
    activation: "silu",
    modelType: fields.model_type,
    numLayers: fields.num_hidden_layers,
    hiddenSize: fields.hidden_size,
    numQueryHeads,
    numKvHeads,
    headDim,
    intermediateSize: fields.intermediate_size,
    vocabSize: fields.vocab_size,
    normEpsilon: fields.rms_norm_eps,
    tieWordEmbeddings: fields.tie_word_embeddings ?? false,
    maxPositions: fields.max_position_embeddings,
    bosTokenId: fields.bos_token_id ?? undefined,
    eosTokenIds: eosList(fields.eos_token_id),
    ropeTheta: rope.theta,
    ropeScaling: rope.scaling,
    qkvBias: member.qkvBias === "attention_bias" ? (fields.attention_bias ?? false) : member.qkvBias,
    outputBias: member.outputBias === "attention_bias" ? (fields.attention_bias ?? false) : member.outputBias,
    qkNorm: member.qkNorm,
    slidingWindow: readWindow(member, fields, faults, unsupported),
  };
}

/** The window if any layer has one: within it those layers and the others compute the same. */
function readWindow(member: Member, fields: Fields, faults: string[], unsupported: string[]): number | undefined {
  if (member.window === "none") return undefined;
  if (member.window === "always")
    return fields.sliding_window === undefined ? 4096 : (fields.sliding_window ?? undefined);
  const kinds = fields.layer_types ?? [];
  const unknown = kinds.filter((kind) => kind !== "full_attention" && kind !== "sliding_attention");
  if (unknown.length > 0) unsupported.push(`layer_types: ${[...new Set(unknown)].join(", ")}`);
  if (kinds.length > 0 && kinds.length !== fields.num_hidden_layers) faults.push("layer_types: not one per layer");
  const slides = kinds.length > 0 ? kinds.includes("sliding_attention") : fields.use_sliding_window === true;
  if (!slides) return undefined;
  const windowed = kinds.length > 0 || (fields.max_window_layers ?? 28) < fields.num_hidden_layers;
  return windowed ? (fields.sliding_window ?? 4096) : undefined;
}

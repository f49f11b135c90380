import type { GgufFile } from "../../formats/gguf/header.ts";
import { optionalMetadata, requiredMetadata } from "../../formats/gguf/lookup.ts";
import { KvDistillError } from "../../util/errors.ts";
import type { Architecture } from "./architectures.ts";
import type { ReadGgufTensor } from "./read-tensor.ts";
import { ROPE_FACTORS, ropeScalingFromFactors } from "./rope-factors.ts";

/** A config.json with the fields of a GGUF file's metadata. What it means is checked when it is read as one. */
export type ConfigJson = Readonly<Record<string, unknown>>;

/**
 * The Hugging Face configuration of a GGUF model.
 * @throws KvDistillError `bad-file` for missing or mistyped metadata, `unsupported` for metadata that changes the mathematics.
 */
export async function ggufConfig(
  file: GgufFile,
  architecture: Architecture,
  read: ReadGgufTensor,
): Promise<ConfigJson> {
  refuse(file);
  const { huggingface, fields } = FAMILIES[architecture.family];
  const shared = {
    architectures: [huggingface],
    model_type: architecture.modelType,
    vocab_size: vocabularySize(file),
    tie_word_embeddings: !file.tensors.has("output.weight"),
    bos_token_id: optionalMetadata(file, "tokenizer.ggml.bos_token_id", "integer"),
    eos_token_id: optionalMetadata(file, "tokenizer.ggml.eos_token_id", "integer"),
    torch_dtype: "float32",
  };
  return { ...shared, ...(await fields(file, architecture, read)) };
}

/** The prefix of an architecture's metadata is its own name, whatever `model_type` it becomes. */
function keyOf(file: GgufFile, name: string): string {
  return `${requiredMetadata(file, "general.architecture", "string")}.${name}`;
}

function refuse(file: GgufFile): void {
  const unsupported: string[] = [];
  for (const name of ["logit_scale", "residual_scale", "embedding_scale", "attention.scale", "attention.clamp_kqv"]) {
    if (file.metadata.has(keyOf(file, name))) unsupported.push(keyOf(file, name));
  }
  if ((optionalMetadata(file, keyOf(file, "expert_count"), "integer") ?? 0) > 0) unsupported.push("expert_count");
  if (optionalMetadata(file, keyOf(file, "attention.causal"), "boolean") === false)
    unsupported.push("attention.causal");
  if (unsupported.length === 0) return;
  throw new KvDistillError("unsupported", "this model needs what is not supported", {
    where: file.path,
    faults: unsupported,
  });
}

function vocabularySize(file: GgufFile): number {
  const rows = file.tensors.get("token_embd.weight")?.shape[0];
  if (rows === undefined) throw new KvDistillError("bad-file", "no token_embd.weight", { where: file.path });
  return rows;
}

/** What a family's config.json is made of. */
const FAMILIES = {
  llama: { huggingface: "LlamaForCausalLM", fields: llamaFields },
  gpt2: { huggingface: "GPT2LMHeadModel", fields: gpt2Fields },
} as const;

async function llamaFields(file: GgufFile, { modelType }: Architecture, read: ReadGgufTensor): Promise<ConfigJson> {
  const integer = (name: string) => requiredMetadata(file, keyOf(file, name), "integer");
  const optional = (name: string) => optionalMetadata(file, keyOf(file, name), "integer");
  const hidden = integer("embedding_length");
  const heads = integer("attention.head_count");
  const headDim = optional("attention.key_length") ?? hidden / heads;
  const valueDim = optional("attention.value_length") ?? hidden / heads;
  const rotated = optional("rope.dimension_count") ?? headDim;
  if (headDim !== valueDim) {
    throw new KvDistillError("unsupported", "keys and values of different size", {
      where: file.path,
      got: `${headDim} and ${valueDim}`,
    });
  }
  return {
    hidden_size: hidden,
    num_hidden_layers: integer("block_count"),
    num_attention_heads: heads,
    num_key_value_heads: optional("attention.head_count_kv") ?? heads,
    head_dim: headDim,
    intermediate_size: integer("feed_forward_length"),
    max_position_embeddings: integer("context_length"),
    rms_norm_eps: requiredMetadata(file, keyOf(file, "attention.layer_norm_rms_epsilon"), "number"),
    hidden_act: "silu",
    attention_bias: file.tensors.has("blk.0.attn_q.bias"),
    mlp_bias: file.tensors.has("blk.0.ffn_up.bias"),
    ...(await ropeFields(file, read)),
    ...(rotated === headDim ? {} : { partial_rotary_factor: rotated / headDim }),
    ...windowFields(optional("attention.sliding_window"), modelType),
  };
}

async function ropeFields(file: GgufFile, read: ReadGgufTensor): Promise<ConfigJson> {
  const theta = optionalMetadata(file, keyOf(file, "rope.freq_base"), "number") ?? 10_000;
  const factors = file.tensors.get(ROPE_FACTORS);
  if (factors !== undefined) {
    return { rope_theta: theta, rope_scaling: ropeScalingFromFactors(await read(factors), theta, file.path) };
  }
  const type = optionalMetadata(file, keyOf(file, "rope.scaling.type"), "string") ?? "none";
  const older = optionalMetadata(file, keyOf(file, "rope.scale_linear"), "number");
  const factor = optionalMetadata(file, keyOf(file, "rope.scaling.factor"), "number") ?? older;
  if (type === "none" && older === undefined) return { rope_theta: theta };
  return { rope_theta: theta, rope_scaling: { rope_type: type === "none" ? "linear" : type, factor } };
}

function windowFields(window: number | undefined, modelType: string): ConfigJson {
  if (window === undefined || window === 0) return {};
  if (modelType === "llama") return { model_type: "mistral", sliding_window: window };
  return { use_sliding_window: true, sliding_window: window, max_window_layers: 0 };
}

function gpt2Fields(file: GgufFile): ConfigJson {
  const integer = (name: string) => requiredMetadata(file, keyOf(file, name), "integer");
  return {
    n_embd: integer("embedding_length"),
    n_layer: integer("block_count"),
    n_head: integer("attention.head_count"),
    n_inner: integer("feed_forward_length"),
    n_positions: integer("context_length"),
    layer_norm_epsilon: requiredMetadata(file, keyOf(file, "attention.layer_norm_epsilon"), "number"),
    activation_function: "gelu_new",
  };
}

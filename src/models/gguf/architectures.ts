import { KvDistillError } from "../../util/errors.ts";
import { quote } from "../../util/quote.ts";

/** How a tensor's rows were rearranged for llama.cpp; undone on conversion. */
export type Rearrangement = "none" | "transposed" | "rotary-query" | "rotary-key";

export interface TensorName {
  readonly name: string;
  readonly rearranged: Rearrangement;
}

/** A GGUF architecture: which `model_type` it becomes and what its tensors are called there. */
export interface Architecture {
  readonly modelType: string;
  readonly family: "llama" | "gpt2";
  /** Tensors outside the layers. */
  readonly outer: Readonly<Record<string, string>>;
  /** Prefix of a layer's tensors. */
  readonly layer: (index: string) => string;
  /** Modules inside a layer. */
  readonly inner: Readonly<Record<string, { readonly module: string; readonly rearranged?: Rearrangement }>>;
}

const llamaLike = {
  family: "llama",
  outer: {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
  },
  layer: (index: string) => `model.layers.${index}`,
  inner: {
    attn_norm: { module: "input_layernorm" },
    ffn_norm: { module: "post_attention_layernorm" },
    attn_q: { module: "self_attn.q_proj" },
    attn_k: { module: "self_attn.k_proj" },
    attn_v: { module: "self_attn.v_proj" },
    attn_output: { module: "self_attn.o_proj" },
    attn_q_norm: { module: "self_attn.q_norm" },
    attn_k_norm: { module: "self_attn.k_norm" },
    ffn_gate: { module: "mlp.gate_proj" },
    ffn_up: { module: "mlp.up_proj" },
    ffn_down: { module: "mlp.down_proj" },
  },
} as const;

/** By `general.architecture`. Only `llama` stores query and key rows interleaved; only GPT-2's matrices are transposed. */
const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  llama: {
    ...llamaLike,
    modelType: "llama",
    inner: {
      ...llamaLike.inner,
      attn_q: { module: "self_attn.q_proj", rearranged: "rotary-query" },
      attn_k: { module: "self_attn.k_proj", rearranged: "rotary-key" },
    },
  },
  qwen2: { ...llamaLike, modelType: "qwen2" },
  qwen3: { ...llamaLike, modelType: "qwen3" },
  gpt2: {
    modelType: "gpt2",
    family: "gpt2",
    outer: {
      "token_embd.weight": "transformer.wte.weight",
      "position_embd.weight": "transformer.wpe.weight",
      "output_norm.weight": "transformer.ln_f.weight",
      "output_norm.bias": "transformer.ln_f.bias",
      "output.weight": "lm_head.weight",
    },
    layer: (index) => `transformer.h.${index}`,
    inner: {
      attn_norm: { module: "ln_1" },
      ffn_norm: { module: "ln_2" },
      attn_qkv: { module: "attn.c_attn", rearranged: "transposed" },
      attn_output: { module: "attn.c_proj", rearranged: "transposed" },
      ffn_up: { module: "mlp.c_fc", rearranged: "transposed" },
      ffn_down: { module: "mlp.c_proj", rearranged: "transposed" },
    },
  },
};

/**
 * The architecture of a GGUF file.
 * @throws KvDistillError `unsupported` for any other.
 */
export function architectureOf(name: string, where: string): Architecture {
  const architecture = Object.hasOwn(ARCHITECTURES, name) ? ARCHITECTURES[name] : undefined;
  if (architecture !== undefined) return architecture;
  throw new KvDistillError("unsupported", "GGUF architecture not handled", {
    where,
    expected: Object.keys(ARCHITECTURES).join(", "),
    got: quote(name),
  });
}

const IN_LAYER = /^blk\.(\d+)\.([a-z_]+)\.(weight|bias)$/;

/** The Hugging Face name of a GGUF tensor; undefined when the architecture has none. */
export function huggingfaceName(architecture: Architecture, name: string): TensorName | undefined {
  const outer = Object.hasOwn(architecture.outer, name) ? architecture.outer[name] : undefined;
  if (outer !== undefined) return { name: outer, rearranged: "none" };
  const [, index, module, part] = IN_LAYER.exec(name) ?? [];
  if (index === undefined || module === undefined || part === undefined) return undefined;
  const inner = Object.hasOwn(architecture.inner, module) ? architecture.inner[module] : undefined;
  if (inner === undefined) return undefined;
  // A bias is one row long: there is nothing to transpose.
  const rearranged = inner.rearranged === "transposed" && part === "bias" ? "none" : (inner.rearranged ?? "none");
  return { name: `${architecture.layer(index)}.${inner.module}.${part}`, rearranged };
}

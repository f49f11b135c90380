import { describe, expect, test } from "vitest";
import { contextLimit } from "../../src/models/config.ts";
import { readModelConfig, withGenerationConfig } from "../../src/models/read-config.ts";

const read = (json: object) => readModelConfig(json, "config.json");

/** Fields of Llama-like models that have no default. */
const llama = {
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 100,
  max_position_embeddings: 131072,
  rms_norm_eps: 1e-5,
  bos_token_id: 1,
  eos_token_id: 2,
};
const gpt2 = {
  architectures: ["GPT2LMHeadModel"],
  model_type: "gpt2",
  n_embd: 64,
  n_layer: 2,
  n_head: 4,
  n_positions: 32,
  vocab_size: 100,
  layer_norm_epsilon: 1e-5,
};

const refusal = (code: string, ...faults: string[]): Error =>
  expect.objectContaining({
    code,
    facts: expect.objectContaining({ faults: faults.map((each) => expect.stringContaining(each) as string) }) as object,
  }) as Error;

describe("Llama-like models", () => {
  test("a plain Llama", () => {
    expect(read(llama)).toEqual({
      family: "llama",
      positions: "rotary",
      activation: "silu",
      modelType: "llama",
      numLayers: 2,
      hiddenSize: 64,
      numQueryHeads: 4,
      numKvHeads: 2,
      headDim: 16,
      intermediateSize: 96,
      vocabSize: 100,
      normEpsilon: 1e-5,
      tieWordEmbeddings: false,
      maxPositions: 131072,
      bosTokenId: 1,
      eosTokenIds: [2],
      ropeTheta: 10000,
      ropeScaling: undefined,
      qkvBias: false,
      outputBias: false,
      qkNorm: false,
      slidingWindow: undefined,
    });
  });

  test("heads of their own size, no grouping, several end tokens, biases", () => {
    const ungrouped = { ...llama, num_key_value_heads: undefined };
    expect(
      read({ ...ungrouped, head_dim: 32, eos_token_id: [2, 7], attention_bias: true, tie_word_embeddings: true }),
    ).toMatchObject({
      headDim: 32,
      numKvHeads: 4,
      eosTokenIds: [2, 7],
      qkvBias: true,
      outputBias: true,
      tieWordEmbeddings: true,
    });
  });

  test("Qwen2 has biases on queries, keys and values alone", () => {
    expect(read({ ...llama, model_type: "qwen2", use_sliding_window: false, sliding_window: 32 })).toMatchObject({
      qkvBias: true,
      outputBias: false,
      qkNorm: false,
      slidingWindow: undefined,
    });
  });

  test("Qwen3 normalises queries and keys, with heads of 128 unless told", () => {
    expect(read({ ...llama, model_type: "qwen3" })).toMatchObject({ qkNorm: true, qkvBias: false, headDim: 128 });
    expect(read({ ...llama, model_type: "qwen3", head_dim: 16 })).toMatchObject({ headDim: 16 });
  });

  test("generation_config.json adds end tokens", () => {
    const config = withGenerationConfig(
      read(llama),
      { eos_token_id: [2, 5, 6], temperature: 0.6 },
      "generation_config.json",
    );
    expect(config.eosTokenIds).toEqual([2, 5, 6]);
  });
});

describe("rotary positions", () => {
  const llama3 = { factor: 8, low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 };
  const scaling = { type: "llama3", factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositions: 8192 };

  test.each([
    ["older", { rope_theta: 5e5, rope_scaling: { rope_type: "llama3", ...llama3 } }],
    ["newer", { rope_parameters: { rope_theta: 5e5, rope_type: "llama3", ...llama3 } }],
    [
      "both alike",
      {
        rope_theta: 5e5,
        rope_scaling: { rope_type: "llama3", ...llama3 },
        rope_parameters: { rope_theta: 5e5, rope_type: "llama3", ...llama3 },
      },
    ],
  ])("Llama 3 scaling in the %s spelling", (_, fields) => {
    expect(read({ ...llama, ...fields })).toMatchObject({ ropeTheta: 5e5, ropeScaling: scaling });
  });

  test("linear scaling, also by its oldest name", () => {
    expect(read({ ...llama, rope_scaling: { type: "linear", factor: 4 } })).toMatchObject({
      ropeTheta: 10000,
      ropeScaling: { type: "linear", factor: 4 },
    });
  });

  test("none", () => {
    expect(read({ ...llama, rope_theta: 1e6, rope_scaling: null })).toMatchObject({
      ropeTheta: 1e6,
      ropeScaling: undefined,
    });
    expect(read({ ...llama, rope_parameters: { rope_type: "default", rope_theta: 7 } })).toMatchObject({
      ropeTheta: 7,
    });
  });

  test.each(["yarn", "dynamic", "longrope", "mrope"])("%s is refused", (type) => {
    expect(() => read({ ...llama, rope_scaling: { rope_type: type, factor: 2 } })).toThrow(
      refusal("unsupported", `rope_scaling.rope_type: "${type}"`),
    );
  });

  test("missing factors and contradictions are told", () => {
    expect(() => read({ ...llama, rope_scaling: { rope_type: "llama3", factor: 8, low_freq_factor: 1 } })).toThrow(
      refusal("bad-file", "high_freq_factor", "original_max_position_embeddings"),
    );
    expect(() =>
      read({ ...llama, rope_scaling: { type: "linear", factor: 2 }, rope_parameters: { rope_type: "default" } }),
    ).toThrow(refusal("bad-file", "contradict"));
  });

  test.each([
    [{ partial_rotary_factor: 0.5 }, "partial_rotary_factor"],
    [
      { rope_parameters: { rope_type: "default", rope_theta: 1, partial_rotary_factor: 0.5 } },
      "rope_parameters.partial_rotary_factor",
    ],
  ])("partial rotation is refused %#", (fields, name) => {
    expect(() => read({ ...llama, ...fields })).toThrow(refusal("unsupported", name));
  });
});

describe("sliding windows bound the context", () => {
  test.each([
    ["Mistral's", { model_type: "mistral", sliding_window: 4096 }, 4096],
    ["Mistral's when not named", { model_type: "mistral" }, 4096],
    ["none in later Mistrals", { model_type: "mistral", sliding_window: null }, 131072],
    ["none in Qwen unless used", { model_type: "qwen2", sliding_window: 100 }, 131072],
    ["Qwen's", { model_type: "qwen2", use_sliding_window: true, sliding_window: 100, max_window_layers: 1 }, 100],
    [
      "Qwen's beyond its layers",
      { model_type: "qwen2", use_sliding_window: true, sliding_window: 100, max_window_layers: 2 },
      131072,
    ],
    ["by layer", { model_type: "qwen3", sliding_window: 64, layer_types: ["full_attention", "sliding_attention"] }, 64],
    [
      "no layer",
      { model_type: "qwen3", sliding_window: 64, layer_types: ["full_attention", "full_attention"] },
      131072,
    ],
    ["wider than the model", { model_type: "mistral", sliding_window: 1_000_000 }, 131072],
    ["not in Llama", { sliding_window: 64 }, 131072],
  ])("%s", (_, fields, limit) => {
    expect(contextLimit(read({ ...llama, ...fields }))).toBe(limit);
  });

  test("other kinds of layers are refused", () => {
    expect(() => read({ ...llama, model_type: "qwen3", layer_types: ["full_attention", "linear_attention"] })).toThrow(
      refusal("unsupported", "layer_types: linear_attention"),
    );
  });
});

describe("GPT-2", () => {
  test("the original's fields", () => {
    expect(read(gpt2)).toEqual({
      family: "gpt2",
      positions: "learned",
      activation: "gelu-tanh",
      modelType: "gpt2",
      numLayers: 2,
      hiddenSize: 64,
      numQueryHeads: 4,
      numKvHeads: 4,
      headDim: 16,
      intermediateSize: 256,
      vocabSize: 100,
      normEpsilon: 1e-5,
      tieWordEmbeddings: true,
      maxPositions: 32,
      bosTokenId: undefined,
      eosTokenIds: [],
    });
    expect(read({ ...gpt2, n_inner: 100 })).toMatchObject({ intermediateSize: 100 });
  });

  test.each([
    { scale_attn_weights: false },
    { scale_attn_by_inverse_layer_idx: true },
    { add_cross_attention: true },
    { activation_function: "relu" },
  ])("%o is refused", (fields) => {
    expect(() => read({ ...gpt2, ...fields })).toThrow(refusal("unsupported", Object.keys(fields)[0] ?? ""));
  });
});

describe("refused", () => {
  test.each([
    ["another model", { model_type: "gemma2" }, "unsupported"],
    ["no model", {}, "bad-file"],
    ["not an object", [], "bad-file"],
  ])("%s", (_, json, code) => {
    expect(() => readModelConfig(json, "c")).toThrow(expect.objectContaining({ code }) as Error);
  });

  test("all faults at once", () => {
    const broken = { ...llama, hidden_size: undefined, num_hidden_layers: 0, vocab_size: "many", rms_norm_eps: -1 };
    expect(() => read(broken)).toThrow(
      refusal("bad-file", "vocab_size", "hidden_size", "num_hidden_layers", "rms_norm_eps"),
    );
    expect(() => read({ ...llama, num_key_value_heads: 3, head_dim: 5 })).toThrow(
      refusal("bad-file", "num_attention_heads", "head_dim"),
    );
    expect(() =>
      read({
        ...llama,
        hidden_act: "relu",
        mlp_bias: true,
        quantization_config: { bits: 4 },
        architectures: ["LlamaForSequenceClassification"],
      }),
    ).toThrow(refusal("unsupported", "quantization_config", "architectures", "hidden_act", "mlp_bias"));
  });

  test("a name of any length, in a message of some", () => {
    const json = { ...llama, model_type: "\u0001".repeat(9000) };
    expect(() => readModelConfig(json, "c")).toThrow(/^c: unknown model_type.{1,1000}$/);
  });

  test("sizes that would break arithmetic", () => {
    expect(() => read({ ...llama, vocab_size: 2 ** 40 })).toThrow(refusal("bad-file", "vocab_size"));
  });
});
